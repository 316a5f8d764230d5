"""What the pages of the book show of the claims, as MyST Markdown. `labkit.book_verdicts` puts it there."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.verdicts.verdict import OPEN, Claim


def table(claims: Iterable[Claim]) -> list[str]:
    """Return the lines of the table of verdicts."""
    lines = ["| | The claim | What we found | The number that decided |", "|---|---|---|---|"]
    return lines + [f"| [{claim.id}]({claim.address}) | {claim.title} | {claim.verdict} | {claim.number} |"
                    for claim in claims]


def box(claim: Claim) -> list[str]:
    """Return the lines of a claim's box: its words, the course's reading, and what would count against it."""
    return [
        f":::{{admonition}} {claim.id}: {claim.title}", ":class: important", claim.words, "",
        f"**We take it as follows.** {claim.reading}", "",
        f"**It would be overturned** if {claim.overturned} **It would be narrowed** if {claim.narrowed}", ":::", "",
    ]


def answer(claim: Claim) -> list[str]:
    """Return the line with which a page begins: the claim, the verdict, and where the number that decided stands."""
    decided = f"[The verdict on {claim.id}](#{claim.anchor}) has the number that decided."
    return [f"*{claim.title}.* {claim.verdict} {decided}", ""]


def verdict(claim: Claim) -> list[str]:
    """Return the lines of the verdict with which a page ends."""
    lines = [f":::{{admonition}} {claim.id}: {claim.title}", ":class: tip", f"{claim.verdict} {claim.more}", ""]
    if claim.form != OPEN:
        lines += [f"**The number that decided.** {claim.number}", ""]
        lines += [f"**In the labs of this build.** {{run}}`{claim.id}`", ""] if claim.labs else []
        lines += [f"**On which machines.** {claim.machines}", ""]
    return [*lines, ":::", ""]


def evidence(claim: Claim) -> list[str]:
    """Return the lines of all that the course found of a claim."""
    lines = [f"> {claim.words}", "", *verdict(claim)]
    for head, found in (("For it", claim.supports), ("Against it", claim.opposes)):
        lines += [f"**{head}**", "", *(f"- {each}" for each in found), ""] if found else []
    if claim.form != OPEN:
        labs = "".join(f"; [Lab {lab.number}](/{lab.notebook}.ipynb)" for lab in claim.labs)
        lines += [f"*Read on:* [the page on {claim.id}](/{claim.page}.md){labs}.", ""]
    return lines

