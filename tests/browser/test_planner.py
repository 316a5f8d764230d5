"""The planner in a real browser: every input moves the bill, a link brings a plan back, phones and keyboards work."""

from __future__ import annotations

import pytest
from accessibility import grave_findings
from widget_pages import in_the_book, widget_pages

from labkit.plan import bill, compose, examples, written
from labkit.units import quantity
from labkit.widgets.planner import Planner


@pytest.fixture(scope="module")
def address():
    with widget_pages() as add, in_the_book():
        yield add("planner", Planner("assistant").html())


def said(page):
    return page.locator(".labkit-sentence").inner_text()


def cell(page, line):
    return page.locator("tr", has=page.get_by_text(line, exact=True)).first.locator("td").first.inner_text()


def opened(page):
    page.evaluate("document.querySelectorAll('details.labkit-inputs').forEach((each) => (each.open = true))")


def test_the_page_shows_the_bill_of_python_for_every_example(visit, address):
    page = visit(address)
    for workload in examples().values():
        page.get_by_role("button", name=workload.name).click()
        plan = compose(workload)
        assert quantity(plan[bill.TARGET].value, "USD") in said(page)
        assert cell(page, "All, a month, accelerators rented") == quantity(plan[bill.TARGET].value, "USD")
        beside = page.locator("table", has=page.get_by_text("Beside it", exact=True)).locator("tbody tr")
        expected = [[row[0], row[-1]] if row[1] == "–" else row for row in written.others(plan)]  # refused: in one cell
        assert [row.locator("th, td").all_inner_texts() for row in beside.all()] == expected
        said_of_inputs = page.locator(".labkit-planner > ul:not(.labkit-broken, .labkit-kept) li").all_inner_texts()
        assert page.locator(".labkit-kept li").all_inner_texts() == list(plan.kept)
        assert len(said_of_inputs) == len(written.matters(plan))


def test_every_input_moves_what_the_page_says(visit, address):
    page = visit(address)
    opened(page)
    page.get_by_role("button", name=examples()["assistant"].name).click()
    page.get_by_label("Requests at the peak").fill("50")
    page.get_by_label("Requests at the peak").press("Enter")
    assert cell(page, "Inference accelerators") != "6" and "Your workload" in said(page)
    before = said(page)
    page.get_by_label("Accelerator", exact=True).select_option("NVIDIA B200 SXM")
    assert said(page) != before
    page.get_by_label("Longest time for each further token").fill("0.001")
    page.get_by_label("Longest time for each further token").press("Enter")
    assert "does not meet" in said(page) and "Allow that" in page.locator(".labkit-broken").inner_text()
    page.get_by_label("Requests at the peak").fill("-1")
    page.get_by_label("Requests at the peak").press("Enter")
    assert "below the range" in page.locator(".labkit-message:visible").inner_text()


def test_a_link_brings_the_plan_back(visit, address):
    page = visit(address)
    opened(page)
    page.get_by_label("Requests at the peak").fill("20")
    page.get_by_label("Requests at the peak").press("Enter")
    link = page.get_by_label("A link to this plan").input_value()
    month = cell(page, "All, a month, accelerators rented")
    again = visit(link)
    assert cell(again, "All, a month, accelerators rented") == month
    assert "from a link" in said(again)


def test_a_line_opens_to_its_formula_and_its_sources(visit, address):
    page = visit(address)
    page.get_by_text("Reading of one request", exact=True).click()
    text = page.locator("details[open]").inner_text()
    assert "decoding.prompt" in text and "tokens × flop / flops" in text and "If it moves, so do" in text


@pytest.mark.parametrize(("mode", "width"), [("light", 1280), ("dark", 320)])
def test_it_is_readable_on_a_desk_and_on_a_phone(visit, address, mode, width):
    page = visit(address, viewport={"width": width, "height": 900}, color_scheme=mode)
    opened(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert grave_findings(page) == []
