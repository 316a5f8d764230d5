"""The glossary: its words are linked where a page first uses them, and every one of them is used."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("sphinx")

from docutils import nodes
from docutils.core import publish_doctree

from labkit import book_glossary, verdicts
from labkit.book_glossary import Term

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / f"{book_glossary.PAGE}.md"
PAGES = [path for path in sorted((ROOT / "book").rglob("*.md")) if path != GLOSSARY]
WORDS = ("batch", "critical batch", "instance", "FLOP/s")
TERMS = {word: Term(f"term-{word}", f"Meaning of {word}.") for word in WORDS}


def words() -> list[str]:
    """Return the words of the glossary."""
    listed = re.search(r"^```{glossary}\n(.*?)^```", GLOSSARY.read_text("utf-8"), re.MULTILINE | re.DOTALL)[1]
    return re.findall(r"^\S.*$", listed, re.MULTILINE)


def linked(text: str) -> list[tuple[str, str]]:
    """Return what is linked in a page of reStructuredText, and to what."""
    document = publish_doctree(text)
    book_glossary.link(document, TERMS, "glossary.html")
    return [(link.astext(), link["refuri"]) for link in document.findall(nodes.reference) if "term" in link["classes"]]


def test_a_word_is_linked_at_its_first_use_and_no_other():
    assert linked("A batch, and *another* batch. Batches.") == [("batch", "glossary.html#term-batch")]


@pytest.mark.parametrize("text", ["Batches of 8.", "*Batch*: of 8.", "The batches\nof all."])
def test_a_plural_and_a_capital_are_linked(text):
    assert [address for _, address in linked(text)] == ["glossary.html#term-batch"]


def test_the_longer_word_is_meant():
    assert linked("The critical\nbatch of a batch.") == [
        ("critical\nbatch", "glossary.html#term-critical batch"), ("batch", "glossary.html#term-batch")]


def test_a_word_goes_on_in_the_next_line():
    document = publish_doctree("")
    document += nodes.paragraph("", "", *map(nodes.Text, ("The critical", "\n", "batch.")))
    book_glossary.link(document, TERMS, "glossary.html")
    assert [link.astext() for link in document.findall(nodes.reference)] == ["critical\nbatch"]


@pytest.mark.parametrize("text", ["For ``batch`` alone.", "See `the batch <there.html>`_.", "batch-wise", "a FLOP/s/W",
                                  "A batch title\n=============\n\nText.", "For instance, a weight, for\ninstance."])
def test_code_links_headings_and_other_meanings_are_left_alone(text):
    assert linked(text) == []


def test_a_link_that_a_page_has_gets_the_meaning_and_suffices():
    document = publish_doctree("A `step <glossary.html#term-batch>`_ over a batch.")
    book_glossary.link(document, TERMS, "glossary.html")
    [only] = document.findall(nodes.reference)
    assert only["reftitle"] == "Meaning of batch."


def test_every_word_of_the_glossary_is_used_in_the_course():
    code = re.compile(r"```{code-cell}.*?^```", re.DOTALL | re.MULTILINE)
    texts = [code.sub("", page.read_text("utf-8")) for page in PAGES]
    texts += ["".join(cell["source"]) for path in (ROOT / "labs").glob("*/*.ipynb")
              for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "markdown"]
    texts += [" ".join((claim.words, claim.more, claim.number, *claim.supports)) for claim in verdicts.CLAIMS]
    pattern = book_glossary.matcher(words())
    used = {book_glossary.named(words(), match["word"]) for text in texts for match in pattern.finditer(text)
            if match["word"]}
    used |= {word for text in texts for word in re.findall(r"{term}`[^`]*<([^>]*)>`", text)}
    assert set(words()) - used == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_names_a_word_only_where_it_says_it_otherwise(path):
    """A plain word is linked by itself."""
    for said, word in re.findall(r"{term}`([^`<]*?)(?: <([^>]*)>)?`", path.read_text("utf-8")):
        assert word in words() and not book_glossary.matcher([word]).fullmatch(said), said
