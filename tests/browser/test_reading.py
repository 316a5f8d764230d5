"""The built book read otherwise than from its own server: from a disk, in a frame, under a policy, in Firefox.

Each is tried on one page for every kind of widget. Run `make html` first, as for test_book.py.
"""

from __future__ import annotations

from contextlib import closing
from urllib.parse import quote

import pytest
from built_book import HTML, page_with
from firefox import ARROW_RIGHT, executable, launched
from widget_pages import alive

from labkit.book.serve import serving
from labkit.widgets.base import kinds

on_each_kind = pytest.mark.parametrize("kind", kinds())


@pytest.fixture(scope="module")
def elsewhere():
    """The address of the built book in a sub-folder."""
    with serving(HTML.parent, port=0) as address:
        yield f"{address}{HTML.name}/"


@pytest.fixture
def context(browser):
    context = browser.new_context()
    yield context
    context.close()


def moves(widget) -> None:
    """Hold a widget to its life: what its slider says changes under a hand."""
    slider = widget.locator("input[type=range]").first
    if slider.count():
        before = slider.get_attribute("aria-valuetext")
        slider.press("ArrowRight" if slider.input_value() != slider.get_attribute("max") else "ArrowLeft")
        assert slider.get_attribute("aria-valuetext") != before


@on_each_kind
def test_widgets_live_from_a_disk(context, kind):
    page = context.new_page()
    page.goto(page_with(kind).as_uri())
    alive(page)
    moves(page.locator(f".labkit-{kind}").first)


@on_each_kind
def test_widgets_live_in_a_sandboxed_frame_of_another_site(context, elsewhere, kind):
    page = context.new_page()
    address = elsewhere + page_with(kind).relative_to(HTML).as_posix()
    page.set_content(f'<iframe sandbox="allow-scripts" width="1000" height="800" src="{address}"></iframe>')
    frame = page.frame_locator("iframe")
    frame.locator(f".labkit-{kind}").first.wait_for()
    moves(frame.locator(f".labkit-{kind}").first)


@on_each_kind
def test_widgets_live_under_a_policy_of_own_scripts_alone(context, elsewhere, kind):
    def with_policy(route):
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": "script-src 'self'"})

    context.route("**/*", with_policy)
    page = context.new_page()
    page.goto(elsewhere + page_with(kind).relative_to(HTML).as_posix())
    alive(page)
    moves(page.locator(f".labkit-{kind}").first)


@on_each_kind
def test_a_frame_without_scripts_says_where_the_live_page_is(context, elsewhere, kind):
    page = context.new_page()
    address = elsewhere + page_with(kind).relative_to(HTML).as_posix()
    page.set_content(f'<iframe sandbox="allow-popups" width="1000" height="800" src="{address}"></iframe>')
    host = page.frame_locator("iframe").locator(f'.labkit-host[data-module="{kind}"]').first
    link = host.get_by_role("link", name="Open this page in a tab of its own")
    link.scroll_into_view_if_needed()  # long tables are laid out when they come near the screen
    assert link.is_visible()
    said = host.locator("img").get_attribute("alt") if host.locator("img").count() else host.inner_text()
    assert len(said.replace(link.inner_text(), "")) > 20


def test_search_answers_from_a_disk(context):
    page = context.new_page()
    page.goto(f"{(HTML / 'search.html').as_uri()}?q={quote('stragglers')}")
    page.locator("#search-results a").first.wait_for()


def test_a_branch_can_be_published_as_it_is():
    assert (HTML / ".nojekyll").exists()  # without it GitHub drops folders that begin with an underscore


# What a widget shows by colour alone with less than three times the ground's light (WCAG 2.2, 1.4.11), lines of a
# grid left out.
FAINT = """(widget) => {
    const light = (colour) => {
        const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
        const linear = parts.map((part) => (part > 0.04045 ? ((part + 0.055) / 1.055) ** 2.4 : part / 12.92));
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05;
    };
    const ground = light(getComputedStyle(document.body).backgroundColor);
    const faint = (colour) => {
        const ratio = light(colour) / ground;
        return Math.max(ratio, 1 / ratio) < 3;
    };
    const inks = ({ fill, stroke, opacity }) => (opacity < 0.5 ? [] : [fill, stroke]);
    const shown = (selector) => [...widget.querySelectorAll(selector)].filter((e) => e.getClientRects().length);
    const marks = shown("svg :not(:has(*))").map((e) => [e, inks(getComputedStyle(e))]);
    const parts = shown(".labkit-part:not(.labkit-striped)").map((e) => [e, [getComputedStyle(e).backgroundColor]]);
    return [...marks, ...parts]
        .filter(([, colours]) => colours.some((each) => !/none|url|, 0\\)/.test(each) && faint(each)))
        .map(([e]) => e.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("mode", ["light", "dark"])
@on_each_kind
def test_widgets_are_seen_in_the_colours_that_a_reader_forces(browser, kind, mode):
    with closing(browser.new_context(forced_colors="active", color_scheme=mode)) as context:
        page = context.new_page()
        page.goto(page_with(kind).as_uri())
        alive(page)
        widget = page.locator(f".labkit-{kind}").first
        assert widget.evaluate(FAINT) == []
        for control in widget.locator(":is(input, select, button):visible").all():
            control.focus()
            assert control.evaluate("(e) => getComputedStyle(e).outlineStyle") != "none"


@pytest.fixture(scope="module")
def firefox(missing):
    """A headless Firefox; without one the test is skipped, in CI it fails."""
    path = executable() or missing("There is no Firefox on this machine.")
    try:
        import marionette_driver  # noqa: F401
    except ImportError:
        missing("marionette_driver is not installed: run 'pip install marionette_driver'.")
    with launched(path) as firefox:
        yield firefox


@on_each_kind
def test_widgets_live_in_firefox(firefox, kind):
    from marionette_driver.by import By

    firefox.navigate(page_with(kind).as_uri())
    widget = firefox.find_element(By.CSS_SELECTOR, f".labkit-host > div > .labkit-{kind}")
    if kind in ("explorer", "guess"):
        slider = widget.find_element(By.CSS_SELECTOR, "input[type=range]")
        before = slider.get_attribute("aria-valuetext")
        slider.send_keys(ARROW_RIGHT)
        assert slider.get_attribute("aria-valuetext") != before
