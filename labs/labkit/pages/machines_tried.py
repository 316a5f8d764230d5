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
    """Return a row for each machine that was tried, with the seconds of every lab and what came out otherwise."""
    labs = sorted({row["lab"] for row in rows()})
    kinds = dict.fromkeys((row["machine"], row["variant"]) for row in rows())
    cells = {(row["machine"], row["variant"], row["lab"]): _cell(row) for row in rows()}
    return TextTable(["machine", *(f"Lab {lab}" for lab in labs)],
                     [[f"{machine}: {VARIANTS.get(variant, variant)}",
                       *(cells.get((machine, variant, lab), "not run") for lab in labs)] for machine, variant in kinds])


def _cell(row: dict[str, str]) -> str:
    count = len(row["surprises"].split())
    notes = [f"{count} surprise{'s' * (count > 1)}" if count else "",
             f"{row['untested']} not tested" if row["untested"] != "0" else "",
             "did not reach its last cell" if row["failed"] else ""]
    return ", ".join(filter(None, (f"{row['seconds']} s", *notes)))
