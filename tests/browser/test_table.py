"""The table in a real browser: sorted and filtered by hand, by keyboard, by ear, on a phone, in the dark."""

from __future__ import annotations

import pytest
from accessibility import grave_findings
from widget_pages import in_the_book, widget_pages

from labkit import catalogue
from labkit.widgets.table import BLANK, Column, Table, shown

ROWS = [
    {"name": "Beta 10", "class": "edge", "rate": 4e12, "nodes": 2.0, "note": "small", "source": "https://example.org/b"},
    {"name": "Alpha", "class": "data centre", "rate": None, "nodes": 1056.0, "note": "", "source": "a book; page 7"},
    {"name": "Beta 9", "class": "edge", "rate": 989e12, "nodes": None, "note": "", "source": "https://example.org/c"},
    {"name": "Delta", "class": "", "rate": 12e9, "nodes": 12.0, "note": "", "source": ""},
]
COLUMNS = [Column("name", "Machine"), Column("class", "Class"), Column("rate", "Peak", "FLOP/s"),
           Column("nodes", "Nodes", "")]
MORE = {"Note": "note", "Source": "source"}
WIDE = [Column("name", "Machine"), Column("class", "Class"), Column("memory_bytes", "Memory", "B"),
        *(Column(f"{name}_flop_per_s", f"Peak {name}", "FLOP/s") for name in ("fp64", "fp32", "fp16", "bf16", "fp8")),
        Column("tdp_w", "Rated power", "W"), Column("trust", "Trust")]


@pytest.fixture(scope="module")
def site():
    """Addresses of a page with a small table and of one with the catalogue's machines."""
    with widget_pages() as add, in_the_book():
        small = Table(ROWS, COLUMNS, "Four machines", "machines", kind="class", more=MORE)
        large = Table(catalogue.table("hardware"), WIDE, "All machines", "machines", kind="class", more=MORE)
        yield {"small": add("small", small.html()), "large": add("large", large.html())}


@pytest.fixture
def page(visit, site):
    return visit(site["small"])


def names(page) -> list[str]:
    return page.locator("tbody tr:not([hidden]) th").all_inner_texts()


def column(page, number: int) -> list[str]:
    """Return what the visible rows show in a column, counted from 0."""
    return page.locator(f"tbody tr:not(.labkit-opened):not([hidden]) > :nth-child({number + 1})").all_inner_texts()


def sort(page, label: str):
    """Sort by keyboard and return the heading."""
    heading = page.get_by_role("columnheader", name=label)
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    return heading


# Sorting


def test_numbers_are_sorted_by_their_value_and_blanks_come_last(page):
    assert names(page) == [row["name"] for row in ROWS]
    heading = sort(page, "Peak")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(page, 2) == ["989 TFLOP/s", "4 TFLOP/s", "12 GFLOP/s", BLANK]
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(page, 2) == ["12 GFLOP/s", "4 TFLOP/s", "989 TFLOP/s", BLANK]
    assert page.locator("[aria-sort]").count() == 1


def test_text_is_sorted_as_people_do_and_blanks_come_last(page):
    heading = sort(page, "Machine")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert names(page) == ["Alpha", "Beta 9", "Beta 10", "Delta"]
    page.keyboard.press("Enter")
    assert names(page) == ["Delta", "Beta 10", "Beta 9", "Alpha"]
    for _ in range(2):
        sort(page, "Class")
        assert column(page, 1)[-1] == BLANK


def test_whole_numbers_are_shown_in_full(page):
    sort(page, "Nodes")
    assert column(page, 3) == ["1,056", "12", "2", BLANK]


def test_the_order_is_said(page):
    status = page.get_by_role("status")
    assert status.inner_text() == "4 machines."
    sort(page, "Peak")
    assert status.inner_text() == "4 machines. Sorted by Peak, largest first."
    page.keyboard.press("Enter")
    assert status.inner_text() == "4 machines. Sorted by Peak, smallest first."
    sort(page, "Machine")
    assert status.inner_text() == "4 machines. Sorted by Machine, from A to Z."


# Filtering


def test_words_narrow_the_rows_and_the_number_is_said(page):
    field, status = page.get_by_label("Filter"), page.get_by_role("status")
    for typed, expected in (("beta", ["Beta 10", "Beta 9"]), ("EDGE bet 9", ["Beta 9"]), ("page 7", ["Alpha"]),
                            ("  ", [row["name"] for row in ROWS])):
        field.fill(typed)
        assert names(page) == expected
        count = "4 machines." if len(expected) == 4 else f"{len(expected)} of 4 machines."
        assert status.inner_text() == count
    field.fill("beta")
    page.get_by_label("Class").select_option("data centre")
    assert names(page) == []
    assert status.inner_text() == "Nothing matches. Use fewer words, or show all 4 machines."
    page.get_by_role("button", name="Show all").click()
    assert len(names(page)) == 4
    assert page.evaluate("document.activeElement.type") == "search"


def test_kinds_narrow_the_rows_and_stay_when_sorted(page):
    choice = page.get_by_label("Class")
    assert choice.locator("option").all_inner_texts() == ["all", "edge", "data centre"]
    choice.select_option("edge")
    sort(page, "Peak")
    assert names(page) == ["Beta 9", "Beta 10"]
    assert page.get_by_role("status").inner_text() == "2 of 4 machines. Sorted by Peak, largest first."


def test_signs_are_only_letters_to_the_filter(page):
    for typed in ("(", "\\", "<b>", "*", ".", "]["):
        page.get_by_label("Filter").fill(typed)
        assert set(names(page)) <= {row["name"] for row in ROWS}, typed


# A row that opens


def test_a_row_opens_and_shows_its_source_and_moves_with_it(page):
    button = page.get_by_role("button", name="Beta 9")
    assert button.get_attribute("aria-expanded") == "false"
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    assert page.get_by_role("link", name="example.org/c").get_attribute("href") == "https://example.org/c"
    sort(page, "Machine")
    opened = page.locator(".labkit-opened:not([hidden])")
    assert opened.count() == 1
    assert opened.evaluate("e => e.previousElementSibling.textContent.includes('Beta 9')")
    assert opened.get_attribute("id") == button.get_attribute("aria-controls")
    page.get_by_label("Filter").fill("alpha")
    assert opened.count() == 0
    page.get_by_label("Filter").fill("")
    assert opened.count() == 1
    assert page.get_by_role("button", name="Delta").count() == 0  # nothing more is known of it


# What is shown


def test_the_browser_shows_what_python_says(visit, site):
    page = visit(site["large"])
    for row, cells in zip(catalogue.table("hardware"), page.locator("tbody tr:not(.labkit-opened)").all(), strict=True):
        texts = cells.locator("th, td").all_inner_texts()
        assert texts == [shown(row[each.key], each.unit) for each in WIDE]


def test_numbers_stand_on_the_right(page):
    number, text = page.locator("tbody td:nth-child(3)").first, page.locator("tbody td:nth-child(2)").first
    assert number.evaluate("e => getComputedStyle(e).textAlign") == "right"
    assert text.evaluate("e => getComputedStyle(e).textAlign") == "left"


def test_without_scripts_the_whole_table_stands_in_the_page(browser, site):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 900})
    page = context.new_page()
    page.goto(site["large"])
    assert page.get_by_role("row").count() == 1 + len(catalogue.table("hardware"))
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="NVIDIA H100 SXM", exact=True))
    assert "989 TFLOP/s" in row.inner_text()
    assert "compute/accelerator/README.md" in row.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    context.close()


# Every reader


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_no_serious_accessibility_finding_and_nothing_cut_off(visit, site, mode, width):
    page = visit(site["large"], viewport={"width": width, "height": 900}, color_scheme=mode)
    sort(page, "Peak bf16")
    page.get_by_role("button", name="NVIDIA GB200").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in page.locator(":is(button, select, input):visible").all():
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 24, control.evaluate("e => e.outerHTML")
    assert grave_findings(page) == []


@pytest.mark.parametrize("width", [320, 1280])
def test_the_head_and_the_names_stay_in_sight(visit, site, width):
    page = visit(site["large"], viewport={"width": width, "height": 900})
    scroll = page.locator(".labkit-scroll")
    before = scroll.bounding_box()
    scroll.evaluate("e => e.scrollTo(200, 600)")
    head = page.get_by_role("columnheader", name="Machine").bounding_box()
    assert head["x"] == pytest.approx(before["x"], abs=2) and head["y"] == pytest.approx(before["y"], abs=2)
    name = page.get_by_role("rowheader").nth(30).bounding_box()
    assert name["x"] == pytest.approx(before["x"], abs=2)
    assert name["width"] < 0.5 * before["width"]


def test_the_source_of_an_open_row_fits_the_box(visit, site):
    page = visit(site["large"], viewport={"width": 320, "height": 900})
    page.get_by_role("button", name="NVIDIA H100 SXM").click()
    box = page.locator(".labkit-scroll").bounding_box()
    for part in page.locator(".labkit-opened:not([hidden]) dd").all():
        inside = part.bounding_box()
        assert inside["x"] >= box["x"] and inside["x"] + inside["width"] <= box["x"] + box["width"] + 1
