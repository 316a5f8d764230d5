"""What a class gets on paper: every guess of every lab, every claim, and the cards of the ring."""

from __future__ import annotations

import handouts
import pytest

from labkit.labs.lab import labs
from labkit.verdicts import CLAIMS


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.slug)
def test_every_lab_has_guesses_and_its_sheet_asks_them(lab):
    asked = handouts.guesses(lab)
    assert asked and all("?" in each.question and "…" not in each.question for each in asked)


def test_the_pages_are_written_and_hold_every_claim(tmp_path, capsys):
    handouts.main(tmp_path)
    assert len(capsys.readouterr().out.splitlines()) == 4
    for name in ("votes", "chapters"):
        page = (tmp_path / f"{name}.html").read_text("utf-8")
        assert all(f"<td>{claim.id}<td>" in page for claim in CLAIMS) and "{" not in page.split("</style>")[1]
    sheets = (tmp_path / "guesses.html").read_text("utf-8")
    assert all(f"Lab {lab.number}, " in sheets for lab in labs())
    assert (tmp_path / "ring-cards.html").read_text("utf-8").count('class="card"') == 36
