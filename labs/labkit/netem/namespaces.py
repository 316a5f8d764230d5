"""Networks of one's own on Linux, without an administrator, and the pump that moves every packet between them.

A process enters a user namespace and in it a network namespace (namespaces(7)), and makes a TUN device there (the
kernel's Documentation/networking/tuntap.rst). Whoever holds the other end of the devices is the link.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from labkit.netem.direction import Direction
from labkit.specs.link import HEADERS, SEGMENT, LinkSpec

DEVICE = "link"  # what the network interface is called
ETHERNET = SEGMENT + HEADERS  # bytes of a packet
_NEWUSER, _NEWNET = 0x10000000, 0x40000000  # linux/sched.h
_TUNSETIFF, _TUN, _NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFMTU = 0x8914, 0x8916, 0x891C, 0x8922  # linux/sockios.h
_UP = 0x1  # IFF_UP
_MASK = "255.255.255.0"
_GLANCE_S = 0.01
_MOST = 2**24  # bytes on their way in one direction: what comes on top is dropped, as by any router
_LONGEST = 2**16  # bytes of an IP packet, and one more


class Pump:
    """Moves packets between TUN devices, each to the device of the address that it is sent to.

    What a device sends waits for its turn on that device's own link.
    """

    def __init__(self):
        self.spec, self.up = LinkSpec(), True
        self._sinks: dict[bytes, int] = {}
        self._lines: dict[int, Direction] = {}

    def join(self, address: str, device: int) -> None:
        """Connect a device, by its file descriptor, that has an IPv4 address."""
        self._lines = {**self._lines, device: Direction(self.spec, len(self._lines))}
        self._sinks = {**self._sinks, socket.inet_aton(address): device}

    def run(self) -> None:
        """Move packets for ever. While the link is down, all are lost."""
        while True:
            lines, sinks = self._lines, self._sinks
            dues = [line.due for line in lines.values() if line.due is not None]
            wait = min([_GLANCE_S, *(max(due - perf_counter(), 0.0) for due in dues)])
            ready = select.select(lines, [], [], wait)[0]
            for source, line in lines.items():
                line.spec = self.spec
                if source in ready:
                    packet = self._read(source)
                    if packet and packet[0] >> 4 == 4 and self.up and line.bytes < _MOST:
                        line.packet(perf_counter(), packet)
                while (packet := line.arrived(perf_counter())) is not None:
                    sink = sinks.get(packet[16:20])  # the destination (RFC 791)
                    if self.up and sink is not None:
                        with suppress(OSError):
                            os.write(sink, packet)

    def obey(self, order: dict) -> dict:
        """Take another link, `{"link": fields of a LinkSpec}`, or let nothing pass, `{"up": false}`, or all again."""
        if "link" in order:
            self.spec = LinkSpec(*order["link"])
        self.up = order.get("up", self.up)
        return {}

    def _read(self, device: int) -> bytes:
        """Return a packet, or nothing from a device whose network has gone, which leaves."""
        with suppress(OSError):
            return os.read(device, _LONGEST)
        self._lines = {source: line for source, line in self._lines.items() if source != device}
        self._sinks = {address: sink for address, sink in self._sinks.items() if sink != device}
        os.close(device)
        return b""


def enter() -> None:
    """Enter a new network, as its administrator; raises `OSError` where the system does not allow it."""
    user, group = os.getuid(), os.getgid()
    try:
        _unshare(_NEWUSER | _NEWNET)
    except OSError:
        enter_another()  # where user namespaces are forbidden, root may still do this
        return
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def enter_another() -> None:
    """Let this thread alone go on to another new network, as the administrator that it is already."""
    _unshare(_NEWNET)


def device(address: str, packet: int = ETHERNET) -> int:
    """Make a TUN device in the network of this thread; return its file descriptor.

    Args:
        address: IPv4, in a network of 254.
        packet: the most bytes of one.

    Raises:
        OSError: the system does not allow it.
    """
    import fcntl

    found = os.open("/dev/net/tun", os.O_RDWR)
    name = DEVICE.encode()
    fcntl.ioctl(found, _TUNSETIFF, struct.pack("16sH22x", name, _TUN | _NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for request, value in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, _MASK)):
            place = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
            fcntl.ioctl(handle, request, struct.pack("16s16s8x", name, place))
        fcntl.ioctl(handle, _SIOCSIFMTU, struct.pack("16si20x", name, packet))
        for interface in (name, b"lo"):  # over the second a computer reaches itself
            fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sH22x", interface, _UP))
    return found


def _unshare(what: int) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(what):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
