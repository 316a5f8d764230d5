"""How a notebook and a page show tables: plain HTML that every front end reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from labkit.units import percent, quantity

if TYPE_CHECKING:
    from labkit.experiment import Comparison, Outcome, PublishedComparison, PublishedRow, Row, Unavailable

_GLUED = "application/papermill.record/"  # stands before the types of what is kept for pages: myst_nb's own


def glue(key: str, value: object) -> None:
    """Leave a value in a notebook's outputs, unseen, for the role `{glue:text}` of its page and for other pages.

    As `myst_nb.glue` does it, which takes a second or two to import, in the kernel of every page.
    """
    from IPython.display import display  # not in what labkit takes to start

    display({f"{_GLUED}text/plain": repr(value)}, raw=True,
            metadata={"scrapbook": {"name": key, "mime_prefix": _GLUED}})


class TextTable:
    """Rows of text that a notebook shows as a table, and that print in columns.

    Args:
        heads: the names of the columns.
        rows: a text for each column; numbers are to be written with their unit before.

    Raises:
        ValueError: a row with more or fewer texts than there are columns.
    """

    def __init__(self, heads: Sequence[str], rows: Iterable[Sequence[str]]):
        self.heads, self.rows = tuple(heads), tuple(tuple(map(str, row)) for row in rows)
        if any(len(row) != len(self.heads) for row in self.rows):
            raise ValueError(f"Every row needs {len(self.heads)} texts: {', '.join(self.heads)}.")

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
                         for row in (self.heads, *self.rows))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in self.heads)
        body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in self.rows)
        return ('<div style="overflow-x: auto" tabindex="0" role="group" aria-label="Table">'
                f'<table class="labkit-table"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>')


def written(outcome: Outcome | Unavailable) -> str:
    """Return an outcome as a reader sees it, or why there is none."""
    return quantity(outcome.value, outcome.unit) if outcome else outcome.reason


def comparison_table(comparison: Comparison) -> TextTable:
    """Return points, predictions, measurements and errors; axes on which all points agree are left out."""
    return _table(comparison, ("predicted", "carried to today's speed", "measured"),
                  lambda row: (written(row.predicted), written(row.carried), written(row.measured)))


def published_table(comparison: PublishedComparison) -> TextTable:
    """Return points, predictions, published figures and errors; axes on which all points agree are left out."""
    unit = comparison.experiment.unit
    return _table(comparison, ("predicted", "published"),
                  lambda row: (written(row.predicted), quantity(row.published.value, unit)))


def _table(comparison: Comparison | PublishedComparison, heads: Sequence[str],
           halves: Callable[[Row | PublishedRow], Sequence[str]]) -> TextTable:
    axes = [axis for axis in comparison.experiment.axes
            if len({row.point[axis.name] for row in comparison.rows}) > 1] or list(comparison.experiment.axes[:1])
    rows = [[*(str(row.point[axis.name]) if axis.categorical else quantity(row.point[axis.name], axis.unit)
               for axis in axes),
             *halves(row), "" if row.error is None else percent(row.error)] for row in comparison.rows]
    return TextTable([*(axis.label for axis in axes), *heads, "error"], rows)


def comparison_html(comparison: Comparison) -> str:
    """Return a comparison as a table and a sentence."""
    return f"{comparison_table(comparison)._repr_html_()}<p>{escape(str(comparison))}</p>"


def published_html(comparison: PublishedComparison) -> str:
    """Return a comparison with what others published as a table and a sentence."""
    return f"{published_table(comparison)._repr_html_()}<p>{escape(str(comparison))}</p>"
