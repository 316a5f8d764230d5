"""Makes what a class needs on paper: `python tools/handouts.py FOLDER`, or `make handouts`; print it from a browser.

A sheet of guesses for each lab; a page a chapter, with its labs, its claims and what would count against them; a form
to vote on the claims; and the cards with which six students play the ring of an all-reduce.
"""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

from labkit.labs.lab import CHAPTERS, Lab, labs
from labkit.verdicts import DOES_NOT_HOLD, HOLDS, HOLDS_WHEN, OPEN, of_chapter

ROOT = Path(__file__).parents[1]
_NAMES = ("key", "question", "unit", "low", "high")
PLAYERS = "ABCDEF"  # of the ring; each begins with a card for every part
_STYLE = """body{font:15px/1.45 serif;margin:1.5cm}h1{font-size:1.5em}section{break-after:page}
table{border-collapse:collapse;width:100%}td,th{border:1px solid #555;padding:.5em;text-align:left;vertical-align:top}
.cards{display:grid;grid-template-columns:repeat(3,1fr);gap:0}.card{border:1px dashed #555;height:5.2cm;padding:.5cm}
.card b{font-size:2.4em;display:block}"""


@dataclass(frozen=True)
class Asked:
    """A question that a lab lets its reader guess at."""

    question: str
    unit: str
    low: float
    high: float


def guesses(lab: Lab) -> list[Asked]:
    """Return what a lab's notebook lets the reader guess, in its order."""
    notebook = json.loads((ROOT / f"{lab.notebook}.ipynb").read_text("utf-8"))
    asked, constants = [], {}
    for cell in notebook["cells"]:
        code = "".join(cell["source"])
        if cell["cell_type"] != "code" or "%pip" in code:
            continue
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                constants[node.targets[0].id] = _value(node.value, constants)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Guess":
                given = dict(zip(_NAMES, node.args, strict=False)) | {word.arg: word.value for word in node.keywords}
                asked.append(Asked(*(_value(given[name], constants) for name in _NAMES[1:])))
    return asked


def _value(node: ast.expr, constants: dict):
    """Return what an expression of a notebook says without running it; an ellipsis for what only a run knows."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(_value(part.value if isinstance(part, ast.FormattedValue) else part, constants))
                       for part in node.values)
    if isinstance(node, ast.Name):
        return constants.get(node.id, "…")
    try:
        return ast.literal_eval(node)
    except ValueError:
        return "…"


def guess_sheets() -> str:
    """Return a sheet for each lab, with room for a pair's guesses and for what came out."""
    sheets = []
    for lab in labs():
        rows = "".join(f"<tr><td>{escape(asked.question)}<td>{asked.low} to {asked.high} {escape(asked.unit)}"
                       "<td><td><td>" for asked in guesses(lab))
        heads = "".join(f"<th>{head}" for head in ("Question", "Range", "Our guess", "The model", "Measured"))
        sheets.append(f"<section><h1>Lab {lab.number}, {escape(lab.title)}: guess before you run it</h1>"
                      "<p>Names: ______________________ A wrong guess costs nothing.</p>"
                      f"<table><tr>{heads}</tr>{rows}</table></section>")
    return _page("Guesses", sheets)


def chapters() -> str:
    """Return a page for each chapter: its labs, its claims, and what would change a verdict."""
    pages, inline = [], MarkdownIt().renderInline
    for chapter, folder in CHAPTERS.items():
        rows = "".join(f"<tr><td>{claim.id}<td>{inline(claim.words)}<td>{inline(claim.reading)}"
                       f"<td>{inline(claim.overturned)}<td>{inline(claim.narrowed)}" for claim in of_chapter(chapter))
        here = ", ".join(f"{lab.number} <em>{escape(lab.title)}</em>" for lab in labs() if lab.number[0] == chapter)
        heads = "".join(f"<th>{head}" for head in ("", "The claim", "We take it as follows", "Overturned if",
                                                   "Narrowed if"))
        pages.append(f"<section><h1>Chapter {chapter}, {folder.split('-', 1)[1]}</h1><p>Its labs: {here}.</p>"
                     f"<table><tr>{heads}</tr>{rows}</table></section>")
    return _page("Chapters", pages)


def votes() -> str:
    """Return a form for each chapter's claims: the verdict, and the number that decides it."""
    forms, markdown = [], MarkdownIt()
    for chapter, folder in CHAPTERS.items():
        claims = of_chapter(chapter)
        boxes = " &nbsp; ".join(f"☐ {form}" for form in (HOLDS, HOLDS_WHEN, DOES_NOT_HOLD, OPEN))
        rows = "".join(f"<tr><td>{claim.id}<td>{markdown.renderInline(claim.words)}<td>{boxes}<br><br>"
                       "The number that decided: ____________" for claim in claims)
        if claims:
            forms.append(f"<section><h1>Chapter {chapter}, {folder.split('-', 1)[1]}: what do you decide?</h1>"
                         f"<table><tr><th><th>The claim<th>Our verdict</tr>{rows}</table></section>")
    return _page("Votes", forms)


def ring_cards() -> str:
    """Return the cards of the ring: every player holds one of each part; the sum of a part has a card of each."""
    cards = [f'<div class="card"><b>{player}{part}</b>The gradients of player {player}, part {part} of {len(PLAYERS)}.'
             f"<br>Pass it to your right, and keep what you have summed.</div>"
             for player in PLAYERS for part in range(1, len(PLAYERS) + 1)]
    return _page("Ring cards", [f'<div class="cards">{"".join(cards)}</div>'])


def _page(title: str, parts: list[str]) -> str:
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>\n'
            + "\n".join(parts) + "\n</html>\n")


def main(folder: Path) -> None:
    """Write the pages into a folder, and print their names."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"guesses": guess_sheets(), "chapters": chapters(), "votes": votes(), "ring-cards": ring_cards()}
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, "utf-8")
        print(folder / f"{name}.html")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the folder to write into: python tools/handouts.py FOLDER")
    main(Path(sys.argv[1]))
