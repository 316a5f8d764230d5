"""Processes that believe to be on computers of their own, joined by an emulated link (Linux).

`python -m labkit.netem.hosts DOOR ADDRESS COMMAND …` enters a new network with that address, hands its end of
the cable to the `Switch` behind the door, and becomes the command. All that the command starts lives in that network
too.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from labkit.netem import door as doors
from labkit.netem import namespaces
from labkit.netem.emulator import BackendUnavailable, Emulator
from labkit.processes import Helper, HelperFailed, say, serve
from labkit.specs.link import LinkSpec

PACKET = 65_000  # bytes: the fewer packets, the less the pump takes from those who compute
_NETWORK = "198.18.0."  # addresses reserved for the testing of networks (RFC 2544)
_CONGESTION = Path("/proc/sys/net/ipv4/tcp_congestion_control")
_PATIENCE_S = 10


class Switch(Emulator):
    """Joins hosts until its `with` block ends.

    Args:
        helper: the process that moves the packets.
        door: where hosts hand in their cable.
    """

    def __init__(self, helper: Helper, door: Path):
        super().__init__(helper)
        self.door = door

    def host(self, number: int) -> list[str]:
        """Return a command that starts the command that follows it on the host with that number, from 0."""
        return [sys.executable, "-m", "labkit.netem.hosts", str(self.door), address(number)]


def address(host: int) -> str:
    """Return the IPv4 address of the host with that number, from 0."""
    return f"{_NETWORK}{host + 1}"


@contextmanager
def switch(link: LinkSpec | None = None) -> Iterator[Switch]:
    """Start a switch for a `with` block.

    Args:
        link: of every host to the switch; without limits unless given.

    Raises:
        BackendUnavailable: this machine allows none.
    """
    if sys.platform != "linux":
        raise BackendUnavailable("Networks in user space need Linux.")
    folder = Path(tempfile.mkdtemp(prefix="hosts-"))
    try:
        with ExitStack() as stack:
            try:
                helper = stack.enter_context(Helper("labkit.netem.hosts", str(folder / "door")))
                helper.answer()
            except HelperFailed as trouble:
                raise BackendUnavailable(f"This machine allows no networks in user space ({trouble}).") from None
            made = Switch(helper, folder / "door")
            made.set_link(link or LinkSpec())
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _try() -> None:
    """See in a process of its own whether the machine allows what hosts need; raises `OSError` with its reason."""
    child = os.fork()  # nothing runs here yet but this thread
    if child == 0:
        try:
            namespaces.enter()
            namespaces.device(address(0))
        except OSError as trouble:
            os._exit(trouble.errno or 1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))


def _serve(door: str) -> None:
    """Run in the helper: connect whoever knocks, and obey `{"link": …}` and `{"up": …}`."""
    try:
        _try()
    except OSError as trouble:
        say({"error": f"{trouble.strerror}"})
        return
    pump = namespaces.Pump()

    def connect(visitor):
        host, handles, _, _ = socket.recv_fds(visitor, 64, 1)
        if handles:
            pump.join(host.decode(), handles[0])
            visitor.sendall(b"k")

    doors.serve(door, connect)
    threading.Thread(target=pump.run, daemon=True).start()
    say({})
    serve(pump.obey)
    shutil.rmtree(Path(door).parent, ignore_errors=True)


def _become(door: str, host: str, *command: str) -> None:
    namespaces.enter()
    cable = namespaces.device(host, PACKET)
    with suppress(OSError):
        _CONGESTION.write_text("reno")  # the others take the delay of such large packets for a jam (HyStart, RFC 9406)
    with doors.visit(door, _PATIENCE_S) as line:
        socket.send_fds(line, [host.encode()], [cable])
        if not line.recv(1):
            raise OSError("the switch has gone")
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(_serve(*sys.argv[1:]) if len(sys.argv) == 2 else _become(*sys.argv[1:]))
