"""An emulated link where Linux allows it: two networks in user space, and every packet between them passes this pump.

A helper process makes a user namespace and in it two network namespaces, which needs no administrator (namespaces(7)),
each with a TUN device (the kernel's Documentation/networking/tuntap.rst). Client and server keep running where they
are: they only get their sockets from here, and a socket belongs to the network that it was made in. So real TCP meets
delay, queue and loss. All of it ends with the helper.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import socket
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from labkit.measure.helper import say, serve
from labkit.measure.shaper import Direction
from labkit.shape import HEADERS, SEGMENT, Shape

EDGE, CLOUD = "192.0.2.1", "192.0.2.2"  # addresses reserved for examples (RFC 5737)
_NEWUSER, _NEWNET = 0x10000000, 0x40000000  # linux/sched.h
_TUNSETIFF, _TUN, _NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFMTU = 0x8914, 0x8916, 0x891C, 0x8922  # linux/sockios.h
_UP = 0x1  # IFF_UP
_MASK = "255.255.255.0"
_GLANCE_S = 0.01
_MOST = 2**24  # bytes on their way in one direction: what comes on top is dropped, as by any router
_MTU = SEGMENT + HEADERS


class Pump:
    """Moves packets between two TUN devices.

    Args:
        devices: their file descriptors.
    """

    def __init__(self, *devices: int):
        self.shape, self.up = Shape(), True
        self._ways = [(source, sink, Direction(self.shape, seed)) for seed, (source, sink)
                      in enumerate((devices, devices[::-1]))]

    def run(self) -> None:
        """Move packets for ever. While the link is down, all are lost."""
        while True:
            dues = [line.due for _, _, line in self._ways if line.due is not None]
            wait = min([_GLANCE_S, *(max(due - perf_counter(), 0.0) for due in dues)])
            ready = select.select([source for source, _, _ in self._ways], [], [], wait)[0]
            for source, sink, line in self._ways:
                line.shape = self.shape
                if source in ready:
                    packet = os.read(source, _MTU)
                    if packet[0] >> 4 == 4 and self.up and line.bytes < _MOST:
                        line.packet(perf_counter(), packet)
                while (packet := line.arrived(perf_counter())) is not None:
                    if self.up:
                        with suppress(OSError):
                            os.write(sink, packet)


def _unshare(what: int) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(what):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _enter() -> None:
    """Enter a new network, as its administrator."""
    user, group = os.getuid(), os.getgid()
    try:
        _unshare(_NEWUSER | _NEWNET)
    except OSError:
        _unshare(_NEWNET)  # where user namespaces are forbidden, root may still do this
        return
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _device(address: str) -> int:
    """Make a TUN device with an address in the network of this thread; return its file descriptor."""
    import fcntl

    device = os.open("/dev/net/tun", os.O_RDWR)
    name = b"link"
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name, _TUN | _NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for request, value in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, _MASK)):
            place = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
            fcntl.ioctl(handle, request, struct.pack("16s16s8x", name, place))
        fcntl.ioctl(handle, _SIOCSIFMTU, struct.pack("16si20x", name, _MTU))
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sH22x", name, _UP))
    return device


def _door(place: str, make) -> None:
    """Open a door where everybody gets a socket of the network that this thread is in now."""
    door = socket.socket(socket.AF_UNIX)
    door.bind(place)
    door.listen()

    def hand_out():
        while True:
            visitor, _ = door.accept()
            with visitor, make() as made, suppress(OSError):
                socket.send_fds(visitor, [b"s"], [made.fileno()])

    threading.Thread(target=hand_out, daemon=True).start()


def _usual(made: socket.socket) -> socket.socket:
    """Let a socket send as most do (CUBIC, RFC 9438), whatever this computer prefers, where it can."""
    with suppress(OSError):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    return made


def fetch(place: str, limit: float) -> socket.socket:
    """Return a socket from the door at `place`; raises `OSError` where none is to be had within `limit` seconds."""
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.settimeout(limit)
        visitor.connect(place)
        _, handles, _, _ = socket.recv_fds(visitor, 1, 1)
    if not handles:
        raise OSError("The tunnel gave no socket.")
    return socket.socket(fileno=handles[0])


def main(folder: str) -> None:
    """Run in the helper: make the networks, say that they are ready, then obey `{"shape": …}` and `{"up": …}`.

    Sockets are to be had at the doors `edge` and `cloud` in `folder`.
    """
    try:
        _enter()
        near = _device(EDGE)
        _door(f"{folder}/edge", lambda: _usual(socket.socket()))
        _unshare(_NEWNET)  # this thread goes on to the second network, that of the first door stays
        far = _device(CLOUD)
        _door(f"{folder}/cloud", lambda: _usual(socket.create_server((CLOUD, 0))))
    except OSError as trouble:
        say({"error": f"{trouble.strerror or trouble}"})
        return
    pump = Pump(near, far)

    def obey(order):
        if "shape" in order:
            pump.shape = Shape(*order["shape"])
        pump.up = order.get("up", pump.up)
        return {}

    threading.Thread(target=pump.run, daemon=True).start()
    say({})
    serve(obey)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
