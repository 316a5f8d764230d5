"""The Sphinx extension that links each word of the glossary where a page first uses it, with its meaning as a title."""

from __future__ import annotations

import re
from dataclasses import dataclass

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

PAGE = "book/glossary"

# Where a word of the glossary means something else.
OTHERWISE = (
    "for instance", "load code", "load the network", "loads the parts", "loads itself", "load generator", "by machine",
    "machine learning", "machine sounds", "random moments", "10,000 moments", "moments that",
    "artificial neurons (nodes)", "double the nodes", "need more nodes", "nodes and synapses", "not rank",
    "decode and shrink",
)
# What is no running text, or leads elsewhere already.
_APART = (nodes.title, nodes.reference, nodes.citation, nodes.literal, nodes.literal_block, nodes.math, nodes.raw,
          nodes.label)


@dataclass(frozen=True)
class Term:
    """A word of the glossary: its anchor on the glossary's page, and its meaning."""

    anchor: str
    meaning: str


def matcher(words: list[str]) -> re.Pattern:
    """Return what finds the words of the glossary in a text; its group `word` is empty where one means something else.

    A word may be in the plural, and a small first letter may be a capital. Of two words that begin together, the longer
    is found.
    """

    def form(word: str) -> str:
        first = f"[{word[0].lower()}{word[0].upper()}]" if word[0].islower() else re.escape(word[0])
        return first + r"\s+".join(map(re.escape, word[1:].split(" "))) + "(?:s|es)?"

    other, word = ("|".join(map(form, sorted(each, key=len, reverse=True))) for each in (OTHERWISE, words))
    return re.compile(rf"(?<![\w-])(?:{other}|(?P<word>{word}))(?![\w-]|/\w)")


def named(words: list[str], found: str) -> str:
    """Return the word of the glossary that a match of `matcher` is a form of."""
    plain = " ".join(found.split())
    for word in words:
        if re.fullmatch(re.escape(word[1:]) + "(?:s|es)?", plain[1:]) and word[0].lower() == plain[0].lower():
            return word
    raise ValueError(f"{found!r} is no word of the glossary.")


def link(document: nodes.document, terms: dict[str, Term], page: str) -> None:
    """Link each term at its first use in a document, unless a link of the document's own leads to it.

    Args:
        document: is changed in place.
        terms: by word.
        page: the address of the glossary's page.
    """
    anchors = {term.anchor: term for term in terms.values()}
    linked = set()
    for reference in document.findall(nodes.reference):
        term = anchors.get((reference.get("refuri") or "").rpartition("#")[2] or reference.get("refid", ""))
        if term:
            reference["reftitle"] = term.meaning
            linked.add(term)
    _join_lines(document)
    words = list(terms)
    pattern = matcher(words)
    for text in list(document.findall(nodes.Text)):
        if _stands_apart(text):
            continue
        parts, end = [], 0
        for match in pattern.finditer(text):
            term = match["word"] and terms[named(words, match["word"])]
            if not term or term in linked:
                continue
            linked.add(term)
            parts += [nodes.Text(text[end:match.start()]),
                      nodes.reference("", match[0], internal=True, refuri=f"{page}#{term.anchor}",
                                      reftitle=term.meaning, classes=["term"])]
            end = match.end()
        if parts:
            text.parent.replace(text, [part for part in [*parts, nodes.Text(text[end:])] if part.astext()])


def _join_lines(document: nodes.document) -> None:
    """Make one text of those that only a line's end parts, as MyST leaves them: a word may go on in the next line."""
    for parent in {text.parent for text in document.findall(nodes.Text)}:
        children = []
        for child in parent.children:
            if children and isinstance(child, nodes.Text) and isinstance(children[-1], nodes.Text):
                children[-1] = nodes.Text(children[-1] + child)
            else:
                children.append(child)
        parent[:] = children


def _stands_apart(node: nodes.Node) -> bool:
    while node.parent is not None:
        node = node.parent
        if isinstance(node, _APART):
            return True
    return False


class LinkTerms(SphinxPostTransform):
    """Links the glossary's words on each page but its own."""

    default_priority = 20  # after the links have been resolved

    def apply(self, **kwargs) -> None:
        page = self.env.docname
        if page != PAGE and PAGE in self.env.all_docs:
            link(self.document, _terms(self.env.get_doctree(PAGE)), self.app.builder.get_relative_uri(page, PAGE))


def _terms(glossary: nodes.document) -> dict[str, Term]:
    return {term.astext(): Term(term["ids"][0], " ".join(item.next_node(nodes.definition).astext().split()))
            for item in glossary.findall(nodes.definition_list_item) for term in item.findall(nodes.term)}


def setup(app: Sphinx) -> dict:
    """Register the extension with Sphinx."""
    app.add_post_transform(LinkTerms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
