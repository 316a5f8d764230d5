"""The catalogue: machines, links and storage that you may not have, from data sheets and published measurements.

Its tables are CSV files in `data/`, one figure a column, a source in every row; a figure without a source is blank.
The end of a column's name is its unit: `_flop_per_s`, `_op_per_s`, `_bytes_per_s`, `_bytes`, `_s`, `_hz`, `_w`, `_j`,
`_percent`.
"""

from __future__ import annotations

import difflib
from functools import cache

from labkit.data import data_folder, read_csv
from labkit.machine import Machine

TABLES = ("hardware", "links", "storage", "collectives", "mlperf-storage", "mlperf-inference", "mlperf-server",
          "mlperf-tiny", "two-clocks", "decoding", "precision-accuracy", "precision-speed", "training-runs", "sharing",
          "scaling", "stalls", "llm-serving", "llm-memory", "training-memory")
FORMATS = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4")
UNITS = {"_flop_per_s": "FLOP/s", "_op_per_s": "OP/s", "bytes_per_s": "B/s", "_bytes": "B", "_w": "W", "_j": "J",
         "_percent": "%", "operations_per_s": "/s", "samples_per_s": "/s", "tokens_per_s": "/s",
         "latency_s": "s", "_hz": "Hz"}
_COUNTS = ("year", "nodes", "accelerators", "hosts", "parameters", "tokens", "accelerator_hours", "prompt_tokens",
           "answer_tokens", "requests", "tensor", "stages", "pairs_failed")


def unit(column: str) -> str | None:
    """Return the unit of a column by its name: "" for a count, None for text."""
    return "" if column in _COUNTS else next((u for end, u in UNITS.items() if column.endswith(end)), None)


@cache
def table(name: str) -> tuple[dict, ...]:
    """Return the rows of a table, in the file's order: numbers as float, blank numbers as None, the rest as text.

    Args:
        name: one of `TABLES`.

    Raises:
        ValueError: no such table, or a number that cannot be read; the message says which.
    """
    if name not in TABLES:
        raise ValueError(f"The catalogue has no table '{name}'. It has {', '.join(TABLES)}.")
    rows = read_csv(data_folder() / f"{name}.csv")
    return tuple({column: _value(name, row, column) for column in row} for row in rows)


@cache
def by_name(name: str) -> dict[str, dict]:
    """Return the rows of a table by their names; arguments and errors are those of `table`."""
    return {row["name"]: row for row in table(name)}


def _value(table: str, row: dict, column: str) -> str | float | None:
    text = row[column]
    if unit(column) is None:
        return text
    try:
        return float(text) if text else None
    except ValueError as trouble:
        raise ValueError(f"data/{table}.csv, '{row['name']}': {column} is {text!r}, not a number.") from trouble


@cache
def machines() -> dict[str, Machine]:
    """Return every machine of the catalogue by name; what its source is silent about is None, or no format."""
    return {
        row["name"]: Machine(
            name=row["name"],
            device="catalogue",
            memory=row["memory_bytes"],
            flops=row["fp32_flop_per_s"],
            bandwidth=row["memory_bytes_per_s"],
            formats={name: rate for name in FORMATS if (rate := peak(row, name))},
            source=row["source"],
        )
        for row in table("hardware")
    }


def peak(row: dict, format: str) -> float | None:
    """Return the dense peak of a row of the hardware table in FLOP/s (OP/s for int8), None where it has no source."""
    return row[f"{format}_op_per_s" if format == "int8" else f"{format}_flop_per_s"]


def machine(name: str) -> Machine:
    """Return a machine by the name that the catalogue gives it.

    Raises:
        ValueError: no such machine; the message names the nearest ones.
    """
    known = machines()
    if name in known:
        return known[name]
    near = [repr(other) for other in _near(str(name), list(known))]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"It has {len(known)}, '{next(iter(known))}' among them."
    raise ValueError(f"The catalogue has no machine '{name}'. {hint} labkit.catalogue.machines() lists all.")


def _near(name: str, known: list[str]) -> list[str]:
    """Return up to three names with the same letters, or with all words of `name`, or else spelled much like it."""
    letters = {other: "".join(filter(str.isalnum, other.casefold())) for other in known}
    wanted, words = "".join(filter(str.isalnum, name.casefold())), name.casefold().split()
    same = [other for other in known if letters[other] == wanted]
    within = [other for other in known if words and all(word in other.casefold() for word in words)]
    close = difflib.get_close_matches(wanted, letters.values(), n=3, cutoff=0.6)
    return (same or within or [other for spelled in close for other in known if letters[other] == spelled])[:3]
