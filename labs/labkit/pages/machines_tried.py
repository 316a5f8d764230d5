"""Which labs were run on which machines: what `tools/zoo.py --record` kept in `data/measured/zoo.csv`."""

from __future__ import annotations

from functools import cache

from labkit.data import data_folder, read_csv
from labkit.display import TextTable

VARIANTS = {
    "plain": "as it is", "one_core": "one core", "half_core": "half a core", "slow": "ten times slower",
    "no_vector": "no vector instructions", "busy": "a busy neighbour on every core", "omp1": "OMP_NUM_THREADS=1",
    "bind": "OMP_PROC_BIND=true", "small_memory": "2 GiB of memory", "no_net": "no network",
    "few_files": "256 open files", "no_home": "no home and no user name", "read_only_home": "a read-only home",
    "no_probe": "every probe fails",
}


@cache
def rows() -> tuple[dict[str, str], ...]:
    """Return the lines of the record, none where nothing was recorded."""
    path = data_folder() / "measured" / "zoo.csv"
    return tuple(read_csv(path)) if path.exists() else ()


def table() -> TextTable:
    """Return a row for each machine that was tried: how long its labs took, and what came out otherwise."""
    kinds = dict.fromkeys((row["machine"], row["variant"]) for row in rows())
    return TextTable(["machine", "labs to the end", "seconds a lab", "others", "surprises", "not tested"],
                     [[f"{machine}: {VARIANTS.get(variant, variant)}",
                       *_told([row for row in rows() if (row["machine"], row["variant"]) == (machine, variant)])]
                      for machine, variant in kinds])


def _told(labs: list[dict[str, str]]) -> list[str]:
    """Return what is said of the labs on one machine."""
    seconds = sorted(int(row["seconds"]) for row in labs)
    ended = sum(not row["failed"] for row in labs)
    others = sorted(int(row["others"]) for row in labs if row["others"])
    return [f"{ended} of {len(labs)}", f"{seconds[0]} to {seconds[-1]}",
            f"{others[0]} to {others[-1]} %" if len(others) == len(labs) else "not known",
            _counted({row["lab"]: len(row["surprises"].split()) for row in labs}),
            _counted({row["lab"]: int(row["untested"]) for row in labs})]


def _counted(counts: dict[str, int]) -> str:
    """Return how many there are, and in which labs."""
    found = {lab: count for lab, count in counts.items() if count}
    return f"{sum(found.values())}, in {', '.join(found)}" if found else "none"
