"""The slides of the built book: they ask no other host, each fits the screen, and every lab and claim is in them.

Run `make html` first, as for test_book.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labkit.labs.lab import CHAPTERS, labs
from labkit.verdicts import of_chapter

ROOT = Path(__file__).parents[2]
READ = """() => Reveal.getSlides().map(slide => {
    const at = Reveal.getIndices(slide);
    Reveal.slide(at.h, at.v || 0);
    return {title: slide.querySelector("h1, h2, h3").textContent, height: slide.scrollHeight,
            notes: !!slide.querySelector("aside.notes"),
            broken: [...slide.querySelectorAll("img")].filter(image => !image.naturalWidth).length,
            pictures: slide.querySelectorAll("img").length};
})"""
HEIGHT = 720  # of a slide, as reveal.js scales it to any screen


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    done = subprocess.run([sys.executable, ROOT / "tools/slides.py", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("number", CHAPTERS)
def test_a_deck_has_every_lab_and_claim_of_its_chapter_and_fits_the_screen(made, browser, number):
    page, asked = browser.new_page(viewport={"width": 1280, "height": HEIGHT}), []
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or asked.append(request.url))
    page.goto((made / f"{CHAPTERS[number]}.html").as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    page.wait_for_load_state("load")
    slides = page.evaluate(READ)
    page.close()
    assert not asked
    titles = [slide["title"] for slide in slides]
    assert all(any(f"Lab {lab.number} · " in title for title in titles) for lab in labs() if lab.number[0] == number)
    assert {f"The verdict on {claim.id}" for claim in of_chapter(number)} <= set(titles)
    assert sum(slide["pictures"] for slide in slides) > 2 and not sum(slide["broken"] for slide in slides)
    assert sum(slide["notes"] for slide in slides) > len(slides) / 3
    assert [slide["title"] for slide in slides if slide["height"] > HEIGHT] == []


def test_without_a_built_book_it_says_what_to_do(tmp_path, monkeypatch, capsys):
    import slides

    monkeypatch.setattr(slides, "BOOK", tmp_path)
    assert slides.main(tmp_path / "out") == 1
    assert "make html" in capsys.readouterr().err
