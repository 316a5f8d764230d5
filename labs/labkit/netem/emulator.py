"""What an emulator of links can be told by those who use it."""

from __future__ import annotations

from dataclasses import astuple

from labkit.processes import Helper
from labkit.specs.link import LinkSpec


class BackendUnavailable(RuntimeError):
    """This machine does not allow a backend; the message says why."""


class Emulator:
    """A link, or several that change together, which another process emulates.

    Args:
        helper: that process.
    """

    def __init__(self, helper: Helper):
        self._helper = helper

    def set_link(self, spec: LinkSpec) -> None:
        """Change the link, for all that is sent from now on."""
        self._order(link=astuple(spec))

    def cut(self) -> None:
        """Take the link down: nothing passes, and nobody is told."""
        self._order(up=False)

    def mend(self) -> None:
        """Bring the link up again."""
        self._order(up=True)

    def _order(self, **order) -> None:
        self._helper.tell(order)
        self._helper.answer()
