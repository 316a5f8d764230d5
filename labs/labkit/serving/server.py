"""Starts the web service of Lab 3.3 as a process of its own (`labkit.serving.process`), and talks to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit.processes import Helper

STARTING_S = 120.0  # on a slow machine, loading the libraries alone takes half a minute


class Server:
    """A running service.

    Args:
        helper: the process.
        port: where it listens on 127.0.0.1.
    """

    def __init__(self, helper: Helper, port: int):
        self.port, self._helper = port, helper

    def configure(self, max_batch: int = 4, window: float = 0.0, max_queue: int = 64) -> None:
        """Change the settings of its queue (`labkit.serving.batcher.Batcher`); raises `HelperFailed` for bad ones."""
        self._helper.tell({"configure": {"max_batch": max_batch, "window": window, "max_queue": max_queue}})
        self._helper.answer()

    def cpu_seconds(self) -> float:
        """Return the processor seconds that its event loop has used: everything but the network's own thread."""
        self._helper.tell({"cpu_seconds": True})
        return self._helper.answer()["seconds"]

    def stall(self, seconds: float) -> None:
        """Let its event loop do nothing for some seconds, as a call does that blocks it; returns at once."""
        self._helper.tell({"stall": seconds})


@contextmanager
def running(network: str | Path, timeout: float = 5.0, **settings) -> Iterator[Server]:
    """Run the service for a `with` block.

    Args:
        network: an ONNX file of the course (`labkit.runtimes.onnx_export`).
        timeout: seconds that a client may take for a request's head, and for its body.
        settings: of the queue, as in `Server.configure`.

    Raises:
        HelperFailed: it did not start; the message says why.
    """
    with Helper("labkit.serving.process", str(network), str(timeout)) as helper:
        server = Server(helper, helper.answer(STARTING_S)["port"])
        server.configure(**settings)
        yield server
