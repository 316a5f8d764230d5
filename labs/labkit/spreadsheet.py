"""Tables as people keep them: out of spreadsheets, R or a text editor, with numbers as people write them.

Commas, semicolons or tabs may part the cells, and a cell may hold line breaks. Rows without content count for nothing.
A number may have thousands in groups, a decimal comma, an exponent or a suffix: `1,024`, `7.00E+09`, `25.6M`. What
cannot be read for certain is refused with its line, column and cell; nothing is cut off.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LARGEST = 2**26  # bytes: a hundred thousand rows; beyond it a file is something else
_SEPARATORS = ",;\t|"
_NOTHING = {"", "na", "n/a", "n.a.", "nan", "null", "none", "-", "–", "—", "?", "#n/a"}
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u2007\u2009\u202f", " ") | {"’": "'", "−": "-"})
_SUFFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "bn": 1e9, "t": 1e12}
_SIGN, _END = r"~?\s?([+-]?", r"(?:e([+-]?\d+))?\s?(k|m|g|bn?|t)?"
_PLAIN = r"\d+(?:[ '_]\d{3})*"
# A comma parts thousands and a point is decimal, or the other way round.
_READINGS = {
    "point": re.compile(rf"{_SIGN}(?:[1-9]\d{{0,2}}(?:,\d{{3}})+(?:\.\d+)?|{_PLAIN}(?:\.\d*)?|\.\d+)){_END}", re.I),
    "comma": re.compile(rf"{_SIGN}(?:[1-9]\d{{0,2}}(?:\.\d{{3}})+(?:,\d+)?|{_PLAIN}(?:,\d*)?|,\d+)){_END}", re.I),
}


def readings(text: str) -> dict[str, float]:
    """Return the numbers that a text can mean, by what is decimal in it: `"point"`, `"comma"`, both or neither."""
    found = {}
    for decimal, pattern in _READINGS.items():
        match = pattern.fullmatch(text.translate(_SPACES).strip())
        if match:
            digits = re.sub(r"[ '_,]" if decimal == "point" else r"[ '_.]", "", match[1]).replace(",", ".")
            number = float(f"{digits}e{match[2] or 0}") * _SUFFIXES[(match[3] or "").lower()]
            if math.isfinite(number):
                found[decimal] = number
    return found


def is_nothing(text: str) -> bool:
    """Return whether a cell holds no value: blank, `NA`, a dash and the like."""
    return text.strip().lower() in _NOTHING


@dataclass(frozen=True)
class Row:
    """One row: the line of the file on which it begins, and its cells by column, stripped."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


@dataclass(frozen=True)
class Table:
    """A table that was read.

    Args:
        name: of the file.
        rows: those that hold anything, in order.
        decimal: what is decimal in its numbers: `"point"`, `"comma"`, or `""` where nothing in it tells.
    """

    name: str
    rows: tuple[Row, ...]
    decimal: str

    def number(self, row: Row, column: str) -> float | None:
        """Return the number in a cell, None where it holds no value; raises `ValueError` where it is no number."""
        text = row[column]
        if is_nothing(text):
            return None
        found = set((meant := readings(text)).values())
        if len(found) == 1:
            return found.pop()
        if self.decimal in meant:
            return meant[self.decimal]
        if found:
            low, high = sorted(found)
            raise self.refusal(row, column, f"may mean {low:g} or {high:g}: write it without a separator of thousands")
        raise self.refusal(row, column, "is no number, such as 1024, 1,024, 7.5e9 or 25.6M")

    def refusal(self, row: Row, column: str, why: str) -> ValueError:
        """Return the error that names a cell: file, line, column and content."""
        text = row[column]
        shown = repr(text if len(text) <= 60 else f"{text[:57]}...")
        return ValueError(f"{self.name}, line {row.line}, column {column}: {shown} {why}.")


def read(path: Path, needed: Sequence[str], numeric: Sequence[str]) -> Table:
    """Read a table.

    Args:
        path: of the file: text in UTF-8, or in UTF-16 with its mark.
        needed: the columns that it must have; their names may be in capitals.
        numeric: columns of numbers, which tell what is decimal.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too large, no text, has no rows, lacks a column, or a row has other cells than columns.
    """
    path = Path(path)
    text = _text(path)
    separator, heads = _heads(path.name, text, needed)
    found = tuple(_rows(path.name, text, separator, heads))
    if not found:
        raise ValueError(f"{path.name} has no rows below its header.")
    votes = {decimal for row in found for column in numeric if column in row.cells
             and len(meant := readings(row[column])) == 1 for decimal in meant}
    undecided = "point" if separator == "," and not votes else ""  # what else parts cells may do so for decimal commas
    return Table(path.name, found, votes.pop() if len(votes) == 1 else undecided)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{path.name} is larger than {LARGEST >> 20} MiB: that is no table of published figures.")
    if content.startswith(b"PK"):
        raise ValueError(f"{path.name} is a workbook, or another archive. Save the sheet as CSV in UTF-8.")
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as trouble:
        raise ValueError(f"{path.name} is no text in UTF-8 ({trouble}). Save it as CSV in UTF-8.") from None
    if "\0" in text:
        raise ValueError(f"{path.name} is no text: it holds a zero byte. Save it as CSV in UTF-8.")
    if not text.strip():
        raise ValueError(f"{path.name} is empty.")
    return text


def _heads(name: str, text: str, needed: Sequence[str]) -> tuple[str, list[str]]:
    """Return what parts the cells, and the names of the columns."""
    found = {}
    for separator in _SEPARATORS:
        _, cells = next(_records(name, text, separator, strict=False), (1, []))
        found[separator] = [cell.strip().lower() for cell in cells]
    separator = max(found, key=lambda each: (len(set(needed) & set(found[each])), len(found[each])))
    heads = found[separator]
    if missing := [column for column in needed if column not in heads]:
        there = ", ".join(filter(None, heads))
        raise ValueError(f"{name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}. It has "
                         f"{there[:300] or 'none with a name'}; a table of published scaling has {', '.join(needed)}.")
    if twice := sorted({head for head in heads if head in needed and heads.count(head) > 1}):
        raise ValueError(f"{name} has the column {twice[0]} twice.")
    return separator, heads


def _rows(name: str, text: str, separator: str, heads: list[str]) -> Iterator[Row]:
    records = _records(name, text, separator)
    next(records)
    for line, cells in records:
        more = len(cells) > len(heads) and any(cell.strip() for cell in cells[len(heads):])
        if more or len(cells) < len(heads):
            raise ValueError(f"{name}, line {line}: the row has {'more' if more else 'fewer'} cells ({len(cells)}) "
                             f"than there are columns ({len(heads)}).")
        yield Row(line, {head: " ".join(cell.split()) for head, cell in zip(heads, cells, strict=False)})


def _records(name: str, text: str, separator: str, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Yield every record that holds anything, with the line on which it begins."""
    table = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=strict)
    line = 1
    try:
        for cells in table:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = table.line_num + 1
    except csv.Error as trouble:
        raise ValueError(f"{name}, line {line}: the row cannot be read as CSV ({trouble}).") from None
