"""An emulated link, as the one who uses it sees it: what it can be told."""

from __future__ import annotations

from dataclasses import astuple

from labkit.processes import Helper
from labkit.specs.link import Shape


class Shaped:
    """A link, or several that change together, which another process emulates.

    Args:
        helper: that process.
    """

    def __init__(self, helper: Helper):
        self._helper = helper

    def reshape(self, shape: Shape) -> None:
        """Change the link, for all that is sent from now on."""
        self._order(shape=astuple(shape))

    def cut(self) -> None:
        """Take the link down: nothing passes, and nobody is told."""
        self._order(up=False)

    def mend(self) -> None:
        """Bring the link up again."""
        self._order(up=True)

    def _order(self, **order) -> None:
        self._helper.tell(order)
        self._helper.answer()
