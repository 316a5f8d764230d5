"""Which of the addresses that the course names are gone."""

from __future__ import annotations

import links
import pytest

from labkit.book.serve import serving


@pytest.fixture
def site(tmp_path):
    (tmp_path / "page.html").write_text("a page")
    with serving(tmp_path, port=0) as address:
        yield address


def test_a_page_that_is_not_there_is_gone_and_one_that_is_there_is_not(site):
    assert links.gone(f"{site}page.html") == ""
    assert links.gone(f"{site}nothing.html") == "404"
    assert links.gone("http://127.0.0.1:9/")


@pytest.mark.parametrize(("text", "found"), [
    ("See [this](https://example.org/a_(b)).", ["https://example.org/a_(b)"]),
    ("It is at https://example.org/page#part, and on.", ["https://example.org/page"]),
    ('"url": "https://example.org/x"\\n', ["https://example.org/x"]),
    ("[![badge](https://example.org/a.svg)](https://example.org/b)", ["https://example.org/a.svg", "https://example.org/b"]),
    ("The book is at http://127.0.0.1:8000/.", [])])
def test_an_address_ends_where_its_sentence_goes_on(text, found):
    assert list(links.addresses(text)) == found
