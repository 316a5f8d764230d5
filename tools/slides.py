"""Makes slides of the built book: `python tools/slides.py FOLDER`, or `make slides`; open a deck in a browser.

A deck a chapter: its claims, the figures and tables of its pages and labs with their text as speaker notes, what the
class guesses, and the verdicts. Nothing is typed again. The decks are Markdown in `FOLDER/source`, to be cut and
edited, which Sphinx makes into slides of reveal.js. sphinx-revealjs carries that, so that no other host and no Node is
needed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote

import yaml
from bs4 import BeautifulSoup, Tag
from handouts import guesses

from labkit.labs.lab import CHAPTERS, labs
from labkit.verdicts import of_chapter

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "_build" / "html"
COLUMNS, ROWS, LETTERS = 7, 9, 800  # of a table that is legible on a wall
SKIPPED = ("Before you start", "Exercises", "Limits", "What is next", "What we found", "A question to work out")
_INLINE = "data:image/svg+xml,"
_CONF = """extensions = ["myst_parser", "sphinx_revealjs"]
project, language = "Cluster to Edge", "en"
myst_enable_extensions = ["colon_fence"]
revealjs_style_theme = "white"
revealjs_static_path = ["static"]
revealjs_css_files = ["slides.css"]
revealjs_script_conf = {"slideNumber": "c/t", "hash": True, "transition": "none"}
revealjs_script_plugins = [{"name": "RevealNotes", "src": "revealjs/plugin/notes/notes.js"}]
"""
_STYLE = """.reveal{font-size:30px}.reveal h1,.reveal h2,.reveal h3{text-transform:none}.reveal h3{font-size:1.3em}
.reveal p{text-align:left}.reveal p:has(img){text-align:center}.reveal li{font-size:.9em}
.reveal img{height:480px;max-width:940px;object-fit:contain}
.reveal table{font-size:.58em}.reveal td,.reveal th{padding:.25em .6em}.reveal td p,.reveal th p{margin:0}
.reveal td:last-child{overflow-wrap:anywhere}"""


class Deck:
    """The slides of one chapter, as Markdown, with their pictures in a folder."""

    def __init__(self, title: str, pictures: Path):
        self.pictures, self.lines = pictures, [f"# {title}", ""]

    def slide(self, title: str, body: str, notes: list[str], below: bool = True) -> None:
        """Add a slide, below the last one or to its right; the title is plain text, body and notes are Markdown."""
        self.lines += [f"{'###' if below else '##'} {_plain(title)}", "", body, ""]
        if notes:
            self.lines += [":::{revealjs-notes}", "\n\n".join(notes), ":::", ""]

    def picture(self, image: Tag, page: Path) -> str:
        """Copy an image of a page, and return it as Markdown."""
        source = image["src"]
        if source.startswith(_INLINE):
            path = self.pictures / f"{page.stem}-{len(self.lines)}.svg"
            path.write_text(unquote(source.removeprefix(_INLINE)), "utf-8")
        else:
            path = Path(shutil.copy2(page.parent / source, self.pictures))
        return f"![{_plain(image.get('alt', ''))}]({self.pictures.name}/{path.name})"


def _plain(text: str) -> str:
    """Return a text for Markdown in which nothing is markup."""
    return re.sub(r"([\\`*_{}\[\]<>$#|])", r"\\\1", " ".join(text.split()))


def _article(page: Path) -> Tag:
    return BeautifulSoup(page.read_text("utf-8"), "html.parser").select_one("article section")


def _text(tag: Tag) -> str:
    return " ".join(tag.get_text().split()).replace(" #", "").removesuffix("#")


def _table(table: Tag) -> str:
    """Return a table as Markdown, with as much of it as is legible."""
    rows = [[_plain(_text(cell)) or " " for cell in row.find_all(["th", "td"])][:COLUMNS]
            for row in table.find_all("tr")]
    letters = accumulate(sum(map(len, row)) for row in rows)
    shown = ["| " + " | ".join(row) + " |" for row, so_far in zip(rows, letters, strict=True) if so_far <= LETTERS]
    lines = [*shown[:1], "|" + " --- |" * len(rows[0]), *shown[1:ROWS]]
    whole = len(shown) == len(rows) <= ROWS and len(table.find("tr").find_all(["th", "td"])) <= COLUMNS
    return "\n".join(lines if whole else [*lines, "", "The page has the whole table."])


def _own(section: Tag, *names: str) -> Iterator[Tag]:
    """Yield the tags of a section that are in none of its sub-sections."""
    return (tag for tag in section.find_all(names) if tag.find_parent("section") is section)


def _said(section: Tag) -> list[str]:
    """Return the paragraphs and items of a section as Markdown: what its author says to the figures."""
    return [_plain(_text(tag)) for tag in _own(section, "p", "li")
            if not tag.find_parent(["li", "table"]) and not tag.find_parent(class_=["cell", "admonition"])]


def add(deck: Deck, page: Path, asked: list[str]) -> None:
    """Add a built page to a deck: what it asks, each of its figures and tables, and its summary.

    Args:
        deck: of the page's chapter.
        page: its HTML.
        asked: the questions at which its reader guesses; none but in a lab.
    """
    whole = _article(page)
    title, lead = _text(whole.find("h1")), _said(whole)[:1]
    deck.slide(title, "".join(lead), [f"The page: {page.relative_to(BOOK)}"], below=False)
    if asked:
        deck.slide("What is your guess?", "\n".join(f"- {_plain(question)}" for question in asked), [])
    for section in whole.find_all("section"):
        heading = _text(section.find(["h2", "h3"]))
        if heading in SKIPPED:
            continue
        if heading == "Summary":
            deck.slide(heading, "\n".join(f"- {_plain(_text(item))}" for item in _own(section, "li")), [])
        notes = _said(section)
        for shown in _own(section, "img", "table"):
            deck.slide(heading, deck.picture(shown, page) if shown.name == "img" else _table(shown), notes)
            notes = []


def chapter(number: str, pages: list[str], pictures: Path) -> str:
    """Return the deck of a chapter as Markdown, with its pictures written into a folder."""
    deck = Deck(f"Chapter {number}, {CHAPTERS[number].split('-', 1)[1]}", pictures)
    claims, here = of_chapter(number), {lab.notebook: lab for lab in labs()}
    for claim in claims:
        deck.slide(f"{claim.id}: {claim.title}", claim.words, [claim.reading], below=claim != claims[0])
    for name in pages:
        add(deck, BOOK / f"{name}.html", [f"{each.question} ({each.low} to {each.high} {each.unit})"
                                          for each in (guesses(here[name]) if name in here else ())])
    for claim in claims:
        verdict = _article(BOOK / f"{claim.page}.html").find(id=claim.anchor)
        first, *more = (_plain(_text(said)) for said in verdict.select(".admonition > p:not(.admonition-title)"))
        deck.slide(f"The verdict on {claim.id}", f"{claim.words}\n\n**{first}**",
                   [*more, f"Overturned if {claim.overturned}"], below=claim != claims[0])
    return "\n".join(deck.lines)


def main(folder: Path) -> int:
    """Write the decks, make the slides and print their names; returns the exit status."""
    if not (BOOK / "index.html").is_file():
        print("There is no built book in _build/html. Run 'make html' first.", file=sys.stderr)
        return 1
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    (source / "pictures").mkdir(parents=True)
    (source / "static").mkdir()
    (source / "conf.py").write_text(_CONF, "utf-8")
    (source / "static" / "slides.css").write_text(_STYLE, "utf-8")
    entries = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))["chapters"]
    parts = {entry["file"]: [entry["file"], *(page["file"] for page in entry.get("sections", ()))] for entry in entries}
    for number, name in CHAPTERS.items():
        (source / f"{name}.md").write_text(chapter(number, parts[f"book/{name}/index"], source / "pictures"), "utf-8")
    index = "\n".join(["# Slides", "", "```{toctree}", *CHAPTERS.values(), "```", ""])
    (source / "index.md").write_text(index, "utf-8")
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-b", "revealjs", source, folder], check=True)
    for name in CHAPTERS.values():
        print(folder / f"{name}.html")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the folder to write into: python tools/slides.py FOLDER")
    sys.exit(main(Path(sys.argv[1])))
