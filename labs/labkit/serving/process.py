"""The process of the web service: it listens on 127.0.0.1, obeys its parent, and ends with it."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from time import sleep, thread_time

from hypercorn.asyncio import serve as serve_http
from hypercorn.config import Config

from labkit.processes import say, serve
from labkit.runtimes.onnx_session import Network, Unusable
from labkit.serving.app import create
from labkit.serving.open_files import allow_connections

CONNECTIONS = 900  # at once: more wait until some are closed
_STARTING_S = 20.0
_UNLIMITED = 10**9


def _listen() -> tuple[int, int]:
    """Return the descriptor of a listening socket whose connections send what is written at once, and its port.

    An answer's head and body are written one after the other. Left to itself, TCP holds the second back until the
    first is confirmed, and the other side takes its time to confirm (Nagle's algorithm, RFC 896, and delayed
    acknowledgements): 40 ms for every answer. asyncio turns that off for the connections of a socket that names its
    protocol, and most systems let them inherit the option.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(CONNECTIONS)
    port = listener.getsockname()[1]
    return listener.detach(), port


def _config(descriptor: int, timeout: float) -> Config:
    """Return Hypercorn's settings: clients that do not finish what they began to ask are cut off."""
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.backlog = CONNECTIONS
    config.keep_alive_timeout = timeout  # until the head of a request is whole, the first one or the next
    config.keep_alive_max_requests = _UNLIMITED
    config.max_app_queue_size = 0  # no limit: behind a full queue, a refused client's connection would never close
    config.errorlog = None
    return config


def main(network: str, timeout: str) -> None:
    """Load the network, listen, say the port, obey the parent, and end with it."""
    allow_connections(CONNECTIONS)
    try:
        loaded = Network(network)
    except Unusable as trouble:
        say({"error": str(trouble)})
        return
    app, (descriptor, port) = create(lambda: loaded, float(timeout)), _listen()
    loop, started = asyncio.new_event_loop(), threading.Event()

    async def until_the_process_ends() -> None:
        started.set()  # Hypercorn waits for this once it serves
        await asyncio.Event().wait()

    async def cpu_seconds() -> float:
        return thread_time()

    def obey(order: dict) -> dict | None:
        if "stall" in order:
            loop.call_soon_threadsafe(sleep, order["stall"])
            return None
        if "cpu_seconds" in order:
            return {"seconds": asyncio.run_coroutine_threadsafe(cpu_seconds(), loop).result(_STARTING_S)}
        app.state.batcher.configure(**order["configure"])
        return {}

    serving = serve_http(app, _config(descriptor, float(timeout)), shutdown_trigger=until_the_process_ends)
    threading.Thread(target=loop.run_until_complete, args=(serving,), daemon=True).start()
    if not started.wait(_STARTING_S):
        say({"error": f"The service did not start within {_STARTING_S:g} s."})
        return
    say({"port": port})
    serve(obey)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
