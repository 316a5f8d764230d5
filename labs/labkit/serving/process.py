"""The web service of Lab 3.3 as a process of its own on 127.0.0.1, which ends with its parent."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep, thread_time

from labkit.processes import Helper, say, serve

CONNECTIONS = 900  # at once, at most: a process may have 1,024 files open in many systems
_STARTING_S = 20.0


class Server:
    """A running service.

    Args:
        helper: the process.
        port: where it listens on 127.0.0.1.
    """

    def __init__(self, helper: Helper, port: int):
        self.port, self._helper = port, helper

    def settle(self, limit: int = 4, window: float = 0.0, room: int = 64) -> None:
        """Change the settings of its queue (`labkit.serving.app.Batcher`); raises `HelperFailed` for bad ones."""
        self._helper.tell({"settle": {"limit": limit, "window": window, "room": room}})
        self._helper.answer()

    def spent(self) -> float:
        """Return the processor seconds that its event loop has used: everything but the network's own thread."""
        self._helper.tell({"spent": True})
        return self._helper.answer()["seconds"]

    def stall(self, seconds: float) -> None:
        """Let its event loop do nothing for some seconds, as a call does that blocks it; returns at once."""
        self._helper.tell({"stall": seconds})


@contextmanager
def running(network: str | Path, patience: float = 5.0, **settings) -> Iterator[Server]:
    """Run the service for a `with` block.

    Args:
        network: an ONNX file of the course (`labkit.runtimes.onnx_export`).
        patience: seconds that a client may take for a request's head, and for its body.
        settings: of the queue, as in `Server.settle`.

    Raises:
        HelperFailed: it did not start; the message says why.
    """
    with Helper("labkit.serving.process", str(network), str(patience)) as helper:
        server = Server(helper, helper.answer()["port"])
        server.settle(**settings)
        yield server


# Inside the process


def main(network: str, patience: str) -> None:
    """Load the network, listen, say the port, obey the parent, and end with it."""
    import uvicorn

    from labkit.runtimes.onnx_session import Network, Unusable
    from labkit.serving.app import create
    from labkit.serving.guard import ImpatientProtocol

    try:
        loaded = Network(network)
    except Unusable as trouble:
        say({"error": str(trouble)})
        return
    ImpatientProtocol.patience = float(patience)
    app = create(lambda: loaded, float(patience))
    config = uvicorn.Config(app, loop="asyncio", http=ImpatientProtocol, ws="none", log_level="critical",
                            limit_concurrency=CONNECTIONS, backlog=CONNECTIONS)
    listener = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS)
    service = uvicorn.Server(config)
    loop = asyncio.new_event_loop()
    threading.Thread(target=lambda: loop.run_until_complete(service.serve([listener])), daemon=True).start()
    for _ in range(round(_STARTING_S / 0.01)):
        if service.started:
            break
        sleep(0.01)
    else:
        say({"error": f"The service did not start within {_STARTING_S:g} s."})
        return

    async def spent() -> float:
        return thread_time()

    def obey(order: dict) -> dict | None:
        if "stall" in order:
            loop.call_soon_threadsafe(sleep, order["stall"])
            return None
        if "spent" in order:
            return {"seconds": asyncio.run_coroutine_threadsafe(spent(), loop).result(_STARTING_S)}
        app.state.batcher.settle(**order["settle"])
        return {}

    say({"port": listener.getsockname()[1]})
    serve(obey)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
