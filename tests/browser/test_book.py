"""The built book as a reader meets it: every page, light and dark, on a phone and on a desk, with no kernel.

Run `make html` first. The `browser` fixture (conftest.py) skips these tests where there is no Chromium, except in CI.
The tests of a page run one after the other in one process, and look at the same open page: first on a desk, and last,
opened again, on a phone in the dark.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from accessibility import grave_findings
from built_book import HTML, PAGES
from weight import weigh
from widget_pages import alive

from labkit.book.serve import serving

LABS = [page for page in PAGES if page.startswith("labs/")]


def on_each(names: list[str]):
    """Run a test on each of some pages."""
    return pytest.mark.parametrize("name", names)


def pages_with(module: str) -> list[str]:
    """Return the pages on which a widget stands; all of them while there is no built book to look at."""
    built = {name: HTML / f"{name}.html" for name in PAGES}
    return [name for name, file in built.items()
            if not file.is_file() or f'data-module="{module}"' in file.read_text("utf-8")]


@pytest.fixture(scope="session")
def book():
    """The address of the built book, served as `make book` serves it."""
    if not (HTML / "index.html").is_file():
        pytest.fail("There is no built book in _build/html. Run 'make html' first.")
    with serving(HTML, port=0) as address:
        yield address


# Fulfilled when letters have their shapes, and charts, a frame later, the width of their column.
SETTLED = """document.fonts.ready.then(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))"""


class Reader:
    """Somebody with a browser who has one page of the book open, and notes whatever goes wrong in it."""

    def __init__(self, browser, book: str):
        self.book, self.shown, self.trouble, self.asked = book, None, [], set()
        self.context = browser.new_context()
        self.context.on("request", self._asked)
        self.context.on("requestfailed", lambda r: self.trouble.append(f"failed: {r.url}"))
        self.context.on("response", lambda r: r.status < 400 or self.trouble.append(f"{r.status}: {r.url}"))
        self.context.on("weberror", lambda error: self.trouble.append(f"script error: {error.error}"))
        self.context.on("console", lambda m: m.type != "error" or self.trouble.append(f"console: {m.text}"))
        self.page = self.context.new_page()

    def _asked(self, request) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("data", "blob"):
            return
        self.asked.add(request.url)
        if f"{url.scheme}://{url.netloc}/" != self.book:
            self.trouble.append(f"asked another host: {request.url}")

    def open(self, name: str, mode: str, width: int):
        """Open a page in a colour scheme and a width of the window, unless it is what is open."""
        if self.shown != (name, mode, width):
            self.asked.clear()
            self.page.emulate_media(color_scheme=mode)
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.goto(f"{self.book}{name}.html")
            alive(self.page)
            self.page.evaluate(SETTLED)
            self.shown = name, mode, width
        return self.page


@pytest.fixture(scope="session")
def reader(browser, book):
    reader = Reader(browser, book)
    yield reader
    reader.context.close()


@pytest.fixture
def visit(reader):
    """Open a page of the book, on a desk in the light; at the end, hold it to what every visit must keep."""

    def open_page(name: str, *, mode: str = "light", width: int = 1280):
        return reader.open(name, mode, width)

    yield open_page
    trouble = reader.trouble.copy()
    reader.trouble.clear()
    assert not trouble


# What sticks out of the window, unless it lies in a box that scrolls.
CUT_OFF = """() => {
    const scrolls = (e) => e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
    return [...document.querySelectorAll("main *")]
        .filter((e) => e.getClientRects().length && e.getBoundingClientRect().right > innerWidth + 1)
        .filter((e) => !scrolls(e) && !e.closest("[aria-hidden=true], math, dialog, .visually-hidden"))
        .map((e) => e.outerHTML.slice(0, 120));
}"""


def hold_readable(page, mode: str, width: int) -> None:
    """Hold a page to its colours, to the window's width, and to what axe knows of readers with a disability."""
    assert page.evaluate("document.documentElement.dataset.theme") == mode
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT_OFF) == []
    assert grave_findings(page) == []


@on_each(PAGES)
def test_page_is_readable_on_a_desk(visit, name):
    hold_readable(visit(name), "light", 1280)


# A4 with the margins that browsers leave, at 96 pixels an inch.
PAPER = {"width": 718, "height": 1000}


@on_each(PAGES)
def test_page_is_whole_on_paper(visit, name):
    page = visit(name)
    window = page.viewport_size
    page.emulate_media(media="print")
    page.set_viewport_size(PAPER)
    cut = page.evaluate("""() => [...document.querySelectorAll("article :is(table, pre, img, svg, math)")]
        .filter((e) => e.getClientRects().length && e.getBoundingClientRect().right > innerWidth + 1)
        .map((e) => e.outerHTML.slice(0, 120))""")
    page.emulate_media(media="screen")
    page.set_viewport_size(window)
    assert cut == []


@on_each(PAGES)
def test_page_bears_text_of_twice_the_size(visit, name):
    page = visit(name)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    width, cut = page.evaluate("document.documentElement.scrollWidth"), page.evaluate(CUT_OFF)
    page.evaluate("document.documentElement.style.fontSize = ''")
    assert width <= 1280 and cut == []


@on_each(PAGES)
def test_pictures_say_what_they_show(visit, name):
    pictures = visit(name).locator("article img").evaluate_all("all => all.map((one) => [one.src, one.alt])")
    for source, alt in pictures:
        assert len(alt.split()) >= 3, f"{source!r:.80} has the alternative text {alt!r}"
        assert not re.search(r"\.(png|svg|webp|jpe?g)$|^[/.]|_build", alt), alt


@on_each(PAGES)
def test_page_carries_no_widget_state(name):
    text = (HTML / f"{name}.html").read_text("utf-8")
    assert "widget-state+json" not in text
    assert not re.search(r'<(script|link|img|iframe)[^>]*(src|href)="(https?:)?//', text)


@on_each(PAGES)
def test_only_labs_can_be_launched(name):
    """A lab's page has buttons that launch it; other pages at most name a lab's address."""
    text = (HTML / f"{name}.html").read_text("utf-8")
    assert ("dropdown-launch-buttons" in text) == (name in LABS)
    for place in re.findall(r'href="https://(?:colab\.research\.google\.com|mybinder\.org)/[^"]*', text):
        assert any(f"{lab}.ipynb" in place for lab in ([name] if name in LABS else LABS)), place


@on_each(LABS)
def test_lab_has_a_living_widget(visit, name):
    page = visit(name)
    page.wait_for_selector(".labkit input[type=range]")
    hosts = page.locator(".labkit-host")
    assert hosts.count() == page.locator(".labkit-host .labkit").count()


# What the control under the reader's hand shows: its value and the highest, its words and its name; and the sentence.
SHOWN = """() => {
    const hand = document.activeElement;
    const sentence = hand.closest(".labkit-host").querySelector(".labkit-sentence").innerText;
    return [hand.value, hand.max, hand.getAttribute("aria-valuetext"), hand.id, sentence];
}"""


@on_each(pages_with("explorer"))
def test_every_control_changes_what_its_widget_says(visit, name):
    """Every slider, list and number field, moved as a hand would from where the widget starts, changes the sentence.

    Where there is no prediction on this machine, the sentence is why, and may stay.
    """
    page = visit(name)
    for host in page.locator(".labkit-host[data-module=explorer]").all():
        sentence = host.locator(".labkit-sentence")
        sentence.wait_for()
        start, why = sentence.inner_text(), "labkit-unavailable" in sentence.get_attribute("class")
        sliders, fields = (host.locator(f"input[type={kind}]").element_handles() for kind in ("range", "number"))
        for slider, field in zip(sliders, fields, strict=True):
            number, least, highest, label = field.evaluate("(e) => [e.value, e.min, e.max, e.ariaLabel]")
            slider.focus()
            value, most, *_ = page.evaluate(SHOWN)
            page.keyboard.press("ArrowRight" if value != most else "ArrowLeft")
            now, _, spoken, which, said = page.evaluate(SHOWN)
            assert now != value and spoken
            assert why or said != start, f"the slider {which} of {name} is dead"
            for typed in (highest if number != highest else least, number):
                field.fill(typed)
                page.keyboard.press("Enter")
                *_, said = page.evaluate(SHOWN)
                assert why or (said != start) == (typed != number), f"{label} of {name} is dead"
        for choice in host.locator("select").element_handles():
            value, other = choice.evaluate("(e) => [e.value, [...e.options].find((o) => o.value !== e.value).value]")
            choice.select_option(other)
            assert why or sentence.inner_text() != start, f"the list {choice.get_attribute('id')} of {name} is dead"
            choice.select_option(value)


@on_each(pages_with("quiz"))
def test_quiz_answers_the_keyboard(visit, name):
    page = visit(name)
    for question in page.locator(".labkit-host[data-module=quiz] fieldset").all():
        answer = question.locator("[aria-live]")
        question.locator("input[type=radio]").first.focus()
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        first = answer.inner_text()
        assert first, "the quiz says nothing to an answer"
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert answer.inner_text() not in ("", first)


@on_each(pages_with("table"))
def test_every_table_sorts_and_filters(visit, name):
    page = visit(name)
    for host in page.locator(".labkit-host[data-module=table]").all():
        shown, said = host.locator("tbody tr:not([hidden])"), host.get_by_role("status")
        for heading in host.locator("thead th").all():
            heading.locator("button").focus()
            orders = set()
            for _ in range(2):
                page.keyboard.press("Enter")
                orders.add(page.evaluate("document.activeElement.closest('th').ariaSort"))
            assert orders == {"ascending", "descending"}, f"{heading.inner_text()!r} of {name} does not sort"
        every, before = shown.count(), said.inner_text()
        choice = host.locator("select")
        if choice.count():
            choice.select_option(index=1)
            assert 0 < shown.count() < every, f"the list of a table of {name} is dead"
            choice.select_option(index=0)
        host.get_by_label("Filter").fill("no row has these words")
        assert shown.count() == 0 and said.inner_text() != before
        host.get_by_role("button", name="Show all").click()
        assert shown.count() == every and said.inner_text() == before
        if details := shown.first.locator("button").all():  # only rows with more to say than fits open
            details[0].press("Enter")
            assert shown.count() == every + 1, f"a row of a table of {name} does not open"


def test_clips_of_sound_are_played_from_the_page_itself(visit):
    page = visit("labs/3-inference/5-one-clear-stream")
    lengths = page.evaluate("""() => Promise.all([...document.querySelectorAll("audio")].map((clip) => new Promise(
        (done) => {
            clip.onloadedmetadata = () => done(clip.duration);
            clip.onerror = () => done(0);
            clip.preload = "metadata";
            clip.load();
        })))""")
    assert len(lengths) >= 4 and all(0.6 < length < 0.7 for length in lengths)


@on_each(LABS)
def test_lab_is_light(visit, reader, name):
    """The bars of the course: 400 kB without the widgets' shared bundle and 750 kB with it, compressed."""
    visit(name)
    weight = weigh(reader.page, reader.asked)
    assert weight.page <= 400_000
    assert weight.total <= 750_000


@on_each(pages_with("guess"))
def test_guess_is_kept(visit, name):
    page = visit(name)
    guesses = page.locator(".labkit-host[data-module=guess]").all()
    for guess in guesses:
        slider = guess.locator("input[type=range]")
        value, spoken = slider.input_value(), slider.get_attribute("aria-valuetext")
        slider.press("ArrowRight")
        assert slider.input_value() != value
        assert slider.get_attribute("aria-valuetext") != spoken
        guess.locator("input[type=number]").press("Enter")
    said = [guess.locator("[role=status]").inner_text() for guess in guesses]
    assert all(said)
    page = visit(name, mode="dark", width=320)
    assert [guess.locator("[role=status]").inner_text() for guess in guesses] == said
    for guess in guesses:
        guess.get_by_role("button", name="Guess again").click()


@on_each(PAGES)
def test_page_is_readable_on_a_phone_in_the_dark(visit, name):
    hold_readable(visit(name, mode="dark", width=320), "dark", 320)
