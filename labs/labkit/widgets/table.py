"""A table that can be sorted and filtered; it needs no kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from traitlets import Dict

from labkit.units import quantity
from labkit.widgets.base import LabWidget

BLANK = "–"


@dataclass(frozen=True)
class Column:
    """A column: the key of its figures in a row, its heading, and their unit.

    Args:
        key: of the rows.
        label: the heading.
        unit: as in `labkit.units.quantity`; "" for whole numbers, shown in full; None for text.
    """

    key: str
    label: str
    unit: str | None = None


class Table(LabWidget):
    """Shows rows of text and numbers, sorts by any column, and filters by words and by kind.

    Args:
        rows: mappings; a number that is not known is None, a text "". What no column shows is left out.
        columns: what to show; the first is the name of a row, and text.
        title: of the table.
        noun: what the rows are, in the plural.
        kind: the key of a column of text whose values the reader may choose from, or None.
        more: further texts of a row by their heading, such as its source, shown when the reader opens the row.

    Raises:
        ValueError: no rows or no columns, a name that is not text, a key that a row lacks, or a value that is not what
            its column says.
    """

    script: ClassVar[Path] = Path(__file__).parent / "table.js"

    config = Dict().tag(sync=True)

    def __init__(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], title: str, noun: str = "rows",
                 kind: str | None = None, more: Mapping[str, str] | None = None):
        more = more or {}
        if not rows or not columns or columns[0].unit is not None:
            raise ValueError(f"The table '{title}' needs rows, and columns of which the first is text.")
        if kind is not None and kind not in [column.key for column in columns if column.unit is None]:
            raise ValueError(f"The table '{title}' has no column of text '{kind}' to choose from.")
        texts = [Column(key, label) for label, key in more.items()]
        super().__init__(config={
            "title": title,
            "noun": noun,
            "kind": next((i for i, column in enumerate(columns) if column.key == kind), None),
            "columns": [{"label": column.label, "unit": column.unit} for column in columns],
            "more": list(more),
            "rows": [[[_value(row, column) for column in part] for part in (columns, texts)] for row in rows],
        })

    def text(self) -> str:
        """Return the title and a line for each row, without what is blank."""
        return "\n".join([self.config["title"], *(
            "; ".join(f"{label}: {text}" if i else text for i, (label, text) in enumerate(cells) if text != BLANK)
            for cells in self._cells()
        )])

    def _cells(self) -> list[list[tuple[str, str]]]:
        """Return every row as pairs of a heading and what stands under it."""
        columns, more = self.config["columns"], self.config["more"]
        return [
            [(column["label"], shown(value, column["unit"])) for column, value in zip(columns, values, strict=True)]
            + [(label, text or BLANK) for label, text in zip(more, texts, strict=True)]
            for values, texts in self.config["rows"]
        ]

    def _fallback(self, picture: str | None) -> str:
        rows = self._cells()
        head = "".join(f'<th scope="col">{escape(label)}</th>' for label, _ in rows[0])
        body = "\n".join(
            "<tr>" + "".join(f"<td>{escape(text)}</td>" if i else f'<th scope="row">{escape(text)}</th>'
                             for i, (_, text) in enumerate(cells)) + "</tr>"
            for cells in rows
        )
        title = escape(self.config["title"])
        table = f"<caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody>"
        return (f'<div role="region" aria-label="{title}" tabindex="0" style="overflow-x: auto">'
                f"<table>{table}</table></div>")


def shown(value: float | str | None, unit: str | None) -> str:
    """Return what stands in a cell."""
    if value is None or value == "":
        return BLANK
    if unit is None:
        return value
    return quantity(value, unit) if unit else f"{value:,.0f}"


def _value(row: Mapping[str, Any], column: Column) -> float | str | None:
    if column.key not in row:
        raise ValueError(f"A row has no '{column.key}', which the column '{column.label}' shows: {dict(row)}")
    value = row[column.key]
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not (isinstance(value, str) if column.unit is None else value is None or number):
        wanted = "text" if column.unit is None else "a finite number, or None"
        raise ValueError(f"Under '{column.label}' stands {value!r}; it must be {wanted}.")
    return value
