"""What a page of the built book weighs on the wire: every file that a browser fetches for it, compressed."""

from __future__ import annotations

import gzip
from collections.abc import Collection
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


def weigh(page, addresses: Collection[str]) -> Weight:
    """Scroll through an open Playwright page, and add up what it asked for.

    Args:
        page: the page.
        addresses: what it has asked its host for, and what it asks for while it is scrolled, is in here.
    """
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    sizes = {address: _wire(page.request.get(address)) for address in sorted(addresses) if address.startswith("http")}
    bundle = sum(size for address, size in sizes.items() if WIDGETS in address)
    return Weight(page=sum(sizes.values()) - bundle, bundle=bundle)


def _wire(response) -> int:
    body = response.body()
    return len(body) if response.headers.get("content-type", "").startswith(PACKED) else len(gzip.compress(body))
