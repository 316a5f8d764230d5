"""The built book in a WebKit, the engine of Safari: from a disk, on one page for every kind of widget."""

from __future__ import annotations

import pytest
import webkit as system
from built_book import HTML, page_with

from labkit.widgets.base import kinds


@pytest.fixture(scope="module")
def webkit(missing):
    browser = system.executable() or missing("There is no WebKit to drive: apt-get install webkit2gtk-driver xvfb")
    with system.launched(browser) as webkit:
        yield webkit


@pytest.mark.parametrize("kind", kinds())
def test_widgets_live_in_webkit(webkit, kind):
    webkit.open(page_with(kind).as_uri())
    webkit.find(f".labkit-host > div > .labkit-{kind}")
    if kind in ("explorer", "guess"):
        slider = webkit.find(f".labkit-{kind} input[type=range]")
        said = "return arguments[0].getAttribute('aria-valuetext')"
        before = webkit.run(said, slider)
        webkit.press(slider, system.ARROW_RIGHT)
        assert webkit.run(said, slider) != before


def test_formulas_and_pictures_have_their_place(webkit):
    webkit.open((HTML / "book" / "2-training" / "ring.html").as_uri())
    webkit.find("article math")
    widths = webkit.run("""return [...document.querySelectorAll("article :is(math, img, svg)")]
        .filter((e) => !e.closest("details, .visually-hidden")).map((e) => e.getBoundingClientRect().width)""")
    assert widths and min(widths) > 0
