"""What a page of the built book weighs on the wire: every file that a browser fetches for it, compressed."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

# Already compressed: a server sends these as they are.
PACKED = ("image/png", "image/jpeg", "image/webp", "font/", "application/font")
WIDGETS = "/_static/labkit/"


@dataclass(frozen=True)
class Weight:
    """Bytes on the wire, first without and then with the bundle of the widgets that all pages share."""

    page: int
    bundle: int

    @property
    def total(self) -> int:
        return self.page + self.bundle


def weigh(browser, address: str) -> Weight:
    """Open `address` in a Playwright browser with an empty cache, scroll through it, and add up what it fetched."""
    context = browser.new_context()
    try:
        page = context.new_page()
        responses = []
        page.on("response", lambda response: responses.append(response))
        page.goto(address)
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.wait_for_load_state("networkidle")
        sizes = {r.url: _wire(r) for r in responses if r.ok and not r.url.startswith("data:")}
    finally:
        context.close()
    bundle = sum(size for url, size in sizes.items() if WIDGETS in url)
    return Weight(page=sum(sizes.values()) - bundle, bundle=bundle)


def _wire(response) -> int:
    body = response.body()
    return len(body) if response.headers.get("content-type", "").startswith(PACKED) else len(gzip.compress(body))
