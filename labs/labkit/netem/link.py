"""An emulated link between an edge device and the cloud, both on this computer, on the best backend that it allows.

- `tunnel`: two networks in user space, through which real TCP sends its packets (Linux, where `/dev/net/tun` may be
  opened; no administrator needed).
- `relay`: a process that passes on the bytes of a connection on 127.0.0.1. It works everywhere.

The kernel's own emulator, netem, is missing from many kernels and asks for an administrator, and is not used.
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from labkit.netem import tunnel
from labkit.netem.emulator import BackendUnavailable, Emulator
from labkit.processes import Helper, HelperFailed
from labkit.specs.link import LinkSpec

BACKENDS = {"tunnel": "real TCP through two networks in user space", "relay": "a relay on 127.0.0.1"}


class EmulatedLink(Emulator):
    """A link that is there until its `with` block ends.

    Args:
        backend: which of `BACKENDS` it is.
        helper: the process that is the link.
        folder: where the tunnel's doors are; None for the relay.
        reason: why it is no better backend, or nothing.
    """

    def __init__(self, backend: str, helper: Helper, folder: Path | None = None, reason: str = ""):
        self.backend, self.reason = backend, reason
        super().__init__(helper)
        self._folder = folder
        self._relay = None if folder else helper.answer()["port"]
        self._port = None

    @property
    def door(self) -> str:
        """Where a server has to fetch the socket that it listens on; empty if any on 127.0.0.1 will do."""
        return f"{self._folder}/cloud" if self._folder else ""

    @property
    def relay_port(self) -> int | None:
        """Where on 127.0.0.1 a client of any kind reaches the server over the link; None for the tunnel."""
        return self._relay

    def attach(self, port: int) -> None:
        """Say on which port the server listens."""
        self._port = port
        if self._relay:
            self._order(target=port)

    def dial(self, limit: float) -> socket.socket:
        """Return a connection to the server; raises `OSError` where there is none within `limit` seconds."""
        if self._relay:
            line = socket.create_connection(("127.0.0.1", self._relay), timeout=limit)
        else:
            line = tunnel.fetch(f"{self._folder}/edge", limit)
            try:
                line.settimeout(limit)
                line.connect((tunnel.CLOUD, self._port))
            except BaseException:
                line.close()
                raise
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line


@contextmanager
def emulated_link(spec: LinkSpec | None = None, backend: str | None = None) -> Iterator[EmulatedLink]:
    """Emulate a link for a `with` block; what it needs ends with the block, and if this process is killed.

    Args:
        spec: what the link is; without limits unless given.
        backend: one of `BACKENDS`; the best that this machine allows unless given.

    Raises:
        ValueError: no such backend.
        BackendUnavailable: the machine does not allow the backend that was asked for.
    """
    if backend is not None and backend not in BACKENDS:
        raise ValueError(f"There is no backend '{backend}': choose one of {', '.join(BACKENDS)}.")
    with ExitStack() as stack:
        link, reason = None, ""
        if backend != "relay":
            try:
                link = _tunnel(stack)
            except BackendUnavailable as refusal:
                if backend:
                    raise
                reason = str(refusal)
        if link is None:
            link = EmulatedLink("relay", stack.enter_context(Helper("labkit.netem.relay")), reason=reason)
        link.set_link(spec or LinkSpec())
        yield link


def _tunnel(stack: ExitStack) -> EmulatedLink:
    if sys.platform != "linux":
        raise BackendUnavailable("A tunnel in user space needs Linux.")
    folder = Path(tempfile.mkdtemp(prefix="link-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    try:
        helper = stack.enter_context(Helper("labkit.netem.tunnel", str(folder)))
        helper.answer()
    except HelperFailed as trouble:
        raise BackendUnavailable(f"This machine allows no tunnel in user space ({trouble}).") from None
    return EmulatedLink("tunnel", helper, folder)
