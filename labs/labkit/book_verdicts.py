"""The Sphinx extension that puts the claims and their verdicts into the book, all from `labkit.verdicts`.

- `{verdicts} 2` is the table of a chapter, `{verdicts}` that of all.
- `{claims} 2` is the boxes of a chapter's claims; `{claims} T1 T2` those of some.
- `{answer} T1` is the line that a page begins with, `{verdict} T1` what it ends in; `{evidence} T1` adds the evidence
  on either side.
- The role `{number}` is a number that another page computes and glues, by the page and its key; myst-nb's `{glue:text}`
  does not reach other pages. Of a lab it is what this build's run left with `verdicts.tell`; before it has run, what
  stands behind the equals sign, from the course's own machine.
- The role `{run}` is how the labs that test a claim came out in this build.
"""

from __future__ import annotations

from ast import literal_eval

from docutils import nodes
from myst_nb.ext.glue.crossref import read_glue_cache
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from labkit import verdicts
from labkit.verdicts import markdown

logger = logging.getLogger(__name__)


class Number(nodes.Inline, nodes.TextElement):
    """Where a number of another page will stand."""


class Run(nodes.Inline, nodes.TextElement):
    """Where it will stand how the labs of this build came out."""


class _Lines(SphinxDirective):
    """A directive that stands for lines of Markdown."""

    optional_arguments = 1
    final_argument_whitespace = True

    def lines(self) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(self.lines()))

    def claims(self) -> tuple[verdicts.Claim, ...]:
        """The claims of a chapter, those that are named, or all."""
        names = self.arguments[0].split() if self.arguments else []
        if not names:
            return verdicts.CLAIMS
        if len(names) == 1 and names[0].isdigit():
            return verdicts.of_chapter(names[0])
        return tuple(map(verdicts.claim, names))


class Verdicts(_Lines):
    def lines(self) -> list[str]:
        return markdown.table(self.claims())

    def run(self) -> list[nodes.Node]:
        tables = super().run()
        for table in tables:
            table["classes"].append("verdicts")  # course.css lays it out for phones
        return tables


class Claims(_Lines):
    def lines(self) -> list[str]:
        return [line for claim in self.claims() for line in markdown.box(claim)]


class Answer(_Lines):
    def lines(self) -> list[str]:
        return [line for claim in self.claims() for line in markdown.answer(claim)]


class Verdict(_Lines):
    def lines(self) -> list[str]:
        return [line for claim in self.claims() for line in markdown.verdict(claim)]


class Evidence(_Lines):
    def lines(self) -> list[str]:
        return [line for claim in self.claims() for line in markdown.evidence(claim)]


def run_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """Return the place for what the labs of this build found of a claim."""
    return [Run(text, text, claim=text)], []


def number_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """Return the place for a number: `book/2-training/nodes::best-ethernet`, `labs/1-terminology/3-cats::six=69 %`."""
    page, _, key = text.partition("::")
    key, _, otherwise = key.partition("=")
    return [Number(text, text, page=page, key=key, otherwise=otherwise)], []


class Fill(SphinxPostTransform):
    """Puts in the numbers of other pages, and what the labs left with `verdicts.show`, where they ran."""

    default_priority = 5

    def apply(self, **kwargs) -> None:
        for place in list(self.document.findall(Number)):
            text = self._glued(place["page"], place["key"]) or place["otherwise"]
            lab = place["page"].startswith("labs/")
            if not (text or lab):
                logger.warning(f"{place['page']} glues no {place['key']!r}.", location=place)
            place.replace_self(nodes.Text(text or ("not measured yet" if lab else "…")))
        for place in list(self.document.findall(Run)):
            runs = {lab.number: self._glued(lab.notebook, "verdict-run") for lab in verdicts.claim(place["claim"]).labs}
            found = [f"Lab {number}: {text}" for number, text in runs.items() if text]
            place.replace_self(nodes.Text(" ".join(found) or "None ran."))

    def _glued(self, page: str, key: str) -> str | None:
        """Return what a page glued as a text, or None if it did not."""
        output = read_glue_cache(self.env.mystnb_config.output_folder, page).get(key)
        return str(literal_eval(output["data"]["text/plain"])) if output else None


def setup(app: Sphinx) -> dict:
    """Register the extension with Sphinx."""
    directives = {"verdicts": Verdicts, "claims": Claims, "answer": Answer, "verdict": Verdict, "evidence": Evidence}
    for name, directive in directives.items():
        app.add_directive(name, directive)
    app.add_role("number", number_role)
    app.add_role("run", run_role)
    app.add_node(Number)
    app.add_node(Run)
    app.add_post_transform(Fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
