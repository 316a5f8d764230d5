"""A claim of the guide, what was found, and how a page and a notebook say it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from labkit import expectation
from labkit.display import glue
from labkit.labs.lab import Lab, labs

HOLDS, HOLDS_WHEN, DOES_NOT_HOLD, OPEN = "holds", "holds when …", "does not hold", "open"
FORMS = (HOLDS, HOLDS_WHEN, DOES_NOT_HOLD, OPEN)


@dataclass(frozen=True)
class Claim:
    """One claim and its verdict. All texts are MyST Markdown.

    Numbers stand in a text as `{number}` of the page that computes them, so that none is written twice.

    Args:
        id: as in the curriculum, `"T1"`.
        title: the claim in a few words, for a table.
        words: the claim; what stands in quotation marks are the guide's own words.
        reading: how the course takes it, where that is not plain.
        overturned, narrowed: what finding would do so; each completes a sentence that begins with *if*.
        form: one of `FORMS`.
        sentence: the verdict. It goes on where the form ends: *Holds when* the new data vary …
        more: what goes with it.
        number: the number that decided it, and where it is from.
        supports, opposes: the evidence on either side.
        machines: on which machines, or whose published results.
        page: the page that ends in this verdict, from the root, without its ending.
    """

    id: str
    title: str
    words: str
    reading: str
    overturned: str
    narrowed: str
    form: str
    sentence: str
    more: str
    number: str
    supports: tuple[str, ...]
    opposes: tuple[str, ...]
    machines: str
    page: str

    @property
    def chapter(self) -> str:
        """The number of the chapter, `"2"`."""
        return {"P": "1", "T": "2", "I": "3", "E": "4", "D": "5"}[self.id[0]]

    @property
    def labs(self) -> tuple[Lab, ...]:
        """The labs that test it, as they say themselves."""
        return tuple(lab for lab in labs() if self.id in lab.claims)

    @property
    def verdict(self) -> str:
        """The verdict as a sentence: *Holds when the new data vary …*"""
        begins = {HOLDS: "**Holds:** ", HOLDS_WHEN: "**Holds when** ", DOES_NOT_HOLD: "**Does not hold:** ", OPEN: ""}
        return begins[self.form] + self.sentence

    @property
    def anchor(self) -> str:
        """The heading of the verdict on its page, as an anchor."""
        return f"the-verdict-on-{self.id.lower()}"

    @property
    def address(self) -> str:
        """Where the verdict stands in the book, as the target of a link."""
        return f"/{self.page}.md#{self.anchor}"


class Shown:
    """Verdicts beside how the lab that tests them came out on this machine, which the book's pages repeat."""

    def __init__(self, claims: tuple[Claim, ...]):
        findings = expectation.findings()
        tested = [finding for finding in findings if finding.state != expectation.UNTESTED]
        otherwise = [finding.statement for finding in tested if finding.state == expectation.SURPRISE]
        self.claims = claims
        self.run = f"{len(tested) - len(otherwise)} of {len(tested)} statements came out as expected on this machine."
        if otherwise:
            self.run += " Otherwise: " + " ".join(otherwise)
        tell({"verdict-run": self.run})

    def _repr_markdown_(self) -> str:
        said = [f"**{claim.id}.** {claim.words}\n\n{claim.verdict} {claim.more}" for claim in self.claims]
        return "\n\n".join([*said, f"*In this lab so far:* {self.run}"])

    def __repr__(self) -> str:
        return self._repr_markdown_().replace("*", "")


def tell(texts: Mapping[str, str]) -> None:
    """Leave texts of this run in the notebook's outputs, by key, for pages of the book; elsewhere do nothing."""
    if os.environ.get("CLUSTER_TO_EDGE_BOOK"):
        for key, text in texts.items():
            glue(key, text)
