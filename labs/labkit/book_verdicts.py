"""The Sphinx extension that puts the claims and their verdicts into the book, all from `labkit.verdicts`.

- `{verdicts} 2` is the table of a chapter, `{verdicts}` that of all.
- `{claims} 2` is the boxes of a chapter's claims; `{claims} T1 T2` those of some.
- `{verdict} T1` is what a page ends in; `{evidence} T1` adds the evidence on either side.
- The role `{run}` is what the labs of this build found of a claim, in the text of a verdict.
"""

from __future__ import annotations

from docutils import nodes
from myst_nb.ext.glue.crossref import read_glue_cache
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from labkit import verdicts
from labkit.verdicts import markdown


class Run(nodes.Inline, nodes.TextElement):
    """Where the number of this build's labs will stand."""


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


class Claims(_Lines):
    def lines(self) -> list[str]:
        return [line for claim in self.claims() for line in markdown.box(claim)]


class Verdict(_Lines):
    def lines(self) -> list[str]:
        return [line for claim in self.claims() for line in markdown.verdict(claim)]


class Evidence(_Lines):
    def lines(self) -> list[str]:
        return [line for claim in self.claims() for line in markdown.evidence(claim)]


def run_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """Return the place for what the labs of this build found of a claim."""
    return [Run(text, text, claim=text)], []


class FillRuns(SphinxPostTransform):
    """Puts in what the labs left with `verdicts.show`; a lab that did not run in this build leaves nothing."""

    default_priority = 5

    def apply(self, **kwargs) -> None:
        for place in list(self.document.findall(Run)):
            claim, found = verdicts.claim(place["claim"]), []
            for lab in claim.labs:
                output = read_glue_cache(self.env.mystnb_config.output_folder, lab.notebook).get("verdict-run")
                if output:
                    text = output["data"]["text/plain"].strip("'\"")
                    found.append(f"Lab {lab.number}: {text}")
            place.replace_self(nodes.Text(" ".join(found) or "None ran."))


def setup(app: Sphinx) -> dict:
    """Register the extension with Sphinx."""
    for name, directive in {"verdicts": Verdicts, "claims": Claims, "verdict": Verdict, "evidence": Evidence}.items():
        app.add_directive(name, directive)
    app.add_role("run", run_role)
    app.add_node(Run)
    app.add_post_transform(FillRuns)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
