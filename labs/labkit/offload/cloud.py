"""The cloud of Lab 4.4: a server with the large network, which goes on from wherever the edge device stopped.

It runs as a helper process, listens on 127.0.0.1 or inside the emulated link's network, and ends with its parent.
"""

from __future__ import annotations

import errno
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from math import prod
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from labkit.models.networks.cats import CatNet
from labkit.netem import tunnel
from labkit.netem.link import EmulatedLink
from labkit.offload import parts, wire
from labkit.processes import Helper, say, serve
from labkit.specs.network import payload

_IDLE_S = 60.0  # a device that says nothing for so long is let go
_MESSAGE_S = 20.0  # and one that needs so long for one message
_PARTING_S = 1.0  # a device that was refused may still finish what it is sending
_DEVICES = 16  # at once
_WARM_UP = 5


@contextmanager
def running(network: CatNet, link: EmulatedLink, port: int = 0) -> Iterator[None]:
    """Run a cloud with a network at the far end of a link, for a `with` block.

    Args:
        network: what it computes with.
        link: where it listens; told its port.
        port: for the relay, on 127.0.0.1; any that is free unless given.

    Raises:
        HelperFailed: it did not start; the message says why.
    """
    with ExitStack() as stack:
        with tempfile.TemporaryDirectory(prefix="cloud-", ignore_cleanup_errors=True) as folder:
            weights = Path(folder) / "network.safetensors"
            save_file({name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}, weights)
            arguments = (str(weights), str(network[0].out_channels), str(port), link.door)
            server = stack.enter_context(Helper("labkit.offload.cloud", *arguments))
            link.attach(server.answer()["port"])  # it has the weights now, and the folder can go
        yield


class Cloud:
    """Answers devices.

    Args:
        network: the large network.
        listener: a listening socket.
    """

    def __init__(self, network: CatNet, listener: socket.socket):
        self.width = network[0].out_channels
        self._stages, self._listener = parts.stages(network), listener
        self._seats = threading.Semaphore(_DEVICES)
        for _ in range(_WARM_UP):
            for layers, shape in enumerate(parts.shapes(self.width)):
                self._scores(layers, bytes(prod(shape) * (1 if layers == 0 else 4)))

    def run(self) -> None:
        """Take devices, for ever."""
        while True:
            line, _ = self._listener.accept()
            if not self._seats.acquire(blocking=False):
                line.close()
                continue
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._attend, args=(line,), daemon=True).start()

    def _attend(self, line: socket.socket) -> None:
        try:
            with line, suppress(OSError, wire.BadAnswer):
                while self._answer(line):
                    pass
        finally:
            self._seats.release()

    def _answer(self, line: socket.socket) -> bool:
        """Answer one message; False where the device has to be sent away."""
        what, width, number, size = wire.read_head(line, perf_counter() + _IDLE_S)
        until = perf_counter() + _MESSAGE_S
        if complaint := self._complaint(what, width, size):
            wire.refuse(line, number, complaint, until)
            _part(line)
            return False
        payload = wire.read(line, size, until)
        answer = np.zeros(parts.SCORES, np.float32) if what == wire.ECHO else self._scores(what, payload)
        message = wire.numbers(answer)
        wire.send(line, wire.head(wire.SCORES, self.width, number, len(message)) + message, until)
        return True

    def _complaint(self, what: int, width: int, size: int) -> str:
        if what == wire.ECHO:
            return "" if size <= wire.LONGEST_ECHO else f"An echo has up to {wire.LONGEST_ECHO:,} bytes, not {size:,}."
        shapes = parts.shapes(self.width)
        if what >= len(shapes):
            return f"There is no message of kind {what}."
        if width != self.width:
            return f"This cloud has a network of width {self.width}, and was asked for {width}."
        expected = payload(self.width, what)
        return "" if size == expected else f"After {what} layers come {expected:,} bytes, not {size:,}."

    def _scores(self, layers: int, payload: bytes) -> np.ndarray:
        with torch.inference_mode():
            return parts.run(self._stages[layers:], parts.unpack(self.width, layers, payload)).numpy()[0]


def _part(line: socket.socket) -> None:
    """Close a connection so that the last words arrive: what the other side is still sending is taken and dropped."""
    line.shutdown(socket.SHUT_WR)
    line.settimeout(_PARTING_S)
    left = wire.LONGEST_ECHO
    while left > 0 and (some := line.recv(min(left, 2**16))):
        left -= len(some)


def _loaded(weights: str, width: int) -> CatNet:
    network = CatNet(width)
    network.load_state_dict(load_file(weights))
    return network


def main(weights: str, width: str, port: str, door: str) -> None:
    """Run in the helper: load the weights, listen, say the port, and end with the parent."""
    torch.set_num_threads(1)
    try:
        network = _loaded(weights, int(width))
    except Exception as trouble:  # whatever a damaged file makes of the reader: it is refused
        say({"error": f"The network's weights cannot be used: {type(trouble).__name__}."})
        return
    try:
        listener = tunnel.fetch(door, _MESSAGE_S) if door else socket.create_server(("127.0.0.1", int(port)))
    except OSError as trouble:
        taken = trouble.errno in (errno.EADDRINUSE, errno.EACCES)
        say({"error": f"Port {port} on 127.0.0.1 is taken: choose another, or 0 for any that is free." if taken
             else f"The cloud cannot listen: {trouble}."})
        return
    cloud = Cloud(network, listener)
    threading.Thread(target=cloud.run, daemon=True).start()
    say({"port": listener.getsockname()[1]})
    serve(lambda _: {})


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
