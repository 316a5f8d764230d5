"""Rendezvous: who this process is, where the ranks find each other, and what to say when one is missing."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from time import monotonic, sleep

import psutil
import torch.distributed as group

PORT = 29500  # of the rendezvous, unless torchrun is told otherwise
INTERFACE = "GLOO_SOCKET_IFNAME"  # names the network interface by which gloo's messages go
_GLANCE_S = 0.02


class Lost(RuntimeError):
    """Others did not join, or are out of reach; the message says which."""


class Rendezvous:
    """Who this process is among the others, and where they find each other, as torchrun tells it by variables.

    Raises:
        ValueError: the variables do not say so.
    """

    def __init__(self):
        self.processes, self.rank = _number("WORLD_SIZE", least=1), _number("RANK")
        if self.rank >= self.processes:
            raise ValueError(f"RANK is {self.rank}, but {self.processes} processes have the ranks 0 to "
                             f"{self.processes - 1}.")
        self.local, self.locals = _number("LOCAL_RANK", 0), _number("LOCAL_WORLD_SIZE", 1, least=1)
        self.address, self.port = os.environ.get("MASTER_ADDR", "127.0.0.1"), _number("MASTER_PORT", PORT, least=1)

    def join(self, patience: float) -> group.Store:
        """Wait for all ranks, choose the network interface, and return the store that they share.

        After a restart by torchrun the ranks use other keys than before.

        Raises:
            Lost: the store is not there, or ranks are missing, within `patience` seconds.
        """
        store = group.PrefixStore(f"labkit/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", self._store(patience))
        mine = own_address(self.address, self.port)
        wait_for_ranks(store, self.rank, self.processes, patience, mine)
        if name := interface_with(self._reachable(store, mine)):
            os.environ.setdefault(INTERFACE, name)
        return store

    def _store(self, patience: float) -> group.Store:
        opens = self.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
        try:
            return group.TCPStore(self.address, self.port, is_master=opens, wait_for_workers=False,
                                  timeout=timedelta(seconds=patience), use_libuv=os.name != "nt")
        except (RuntimeError, OSError) as trouble:
            raise Lost(self._no_store(opens, patience, trouble)) from trouble

    def _reachable(self, store: group.Store, mine: str) -> str:
        """Return this computer's address for the others.

        Where the rendezvous is on this computer, its name may lead to the loopback interface (127.0.1.1 in the hosts
        file of a Debian); then it is the address by which this computer reaches a rank that came from elsewhere.
        """
        if loopback(mine):
            for rank in range(self.processes):
                theirs = store.get(_key(rank)).decode()
                if theirs and not loopback(theirs):
                    return own_address(theirs, self.port)
        return mine

    def _no_store(self, opens: bool, patience: float, trouble: Exception) -> str:
        if opens and re.search("EADDRINUSE|in use", str(trouble)):
            return (f"Port {self.port} of this computer is in use by another program. Give every process another one "
                    f"(MASTER_PORT={self.port + 1}, or torchrun --master-port={self.port + 1}), or end that program.")
        if opens:
            return f"This process cannot open port {self.port} on {self.address}: {short(trouble)}."
        itself = own_address(self.address, self.port)
        if loopback(itself) and self.processes > self.locals:
            return (f"Nobody answered at {self.address}, port {self.port}, within {patience:g} s. Here that name leads "
                    f"to {itself}, which is this computer itself: write rank 0's own address, or mend the hosts file.")
        return (f"Nobody answered at {self.address}, port {self.port}, within {patience:g} s. Rank 0 has to run there: "
                "is it started, is this its address, and does its firewall let the port through?")


def _number(name: str, usual: int | None = None, least: int = 0) -> int:
    text = os.environ.get(name, "" if usual is None else str(usual))
    if not text.isdecimal() or int(text) < least:
        raise ValueError(f"The variable {name} must be a whole number from {least} up, not {text!r}. torchrun sets it: "
                         "start with torchrun --nproc-per-node=2 -m labkit.distributed.train.")
    return int(text)


def wait_for_ranks(store: group.Store, rank: int, processes: int, patience: float, address: str = "") -> None:
    """Say that this rank is here, and under which address, and wait for the others.

    Raises:
        Lost: some did not come within `patience` seconds; the message names them.
    """
    store.set(_key(rank), address)
    missing, end = [other for other in range(processes) if other != rank], monotonic() + patience
    while missing := [other for other in missing if not store.check([_key(other)])]:
        if monotonic() > end:
            raise Lost(f"{'Rank' if len(missing) == 1 else 'Ranks'} {', '.join(map(str, missing))} of {processes} did "
                       f"not join within {patience:g} s. Were all started, with the same address and port?")
        sleep(_GLANCE_S)


def _key(rank: int) -> str:
    return f"here/{rank}"


def own_address(address: str, port: int) -> str:
    """Return the address of this computer from which another one is reached, or nothing where there is no way."""
    with suppress(OSError):
        for family, kind, protocol, _, there in socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM):
            with suppress(OSError), socket.socket(family, kind, protocol) as line:
                line.connect(there)  # sends nothing: it only asks for the way
                return line.getsockname()[0]
    return ""


def interface_with(address: str) -> str | None:
    """Return the name of this computer's network interface that has an address, or None."""
    for name, addresses in psutil.net_if_addrs().items():
        if address and any(known.address.partition("%")[0] == address for known in addresses):
            return name
    return None


def loopback(address: str) -> bool:
    """Return whether an IP address means *this computer* to everybody who reads it."""
    return bool(address) and ipaddress.ip_address(address.partition("%")[0]).is_loopback


def out_of_reach(trouble: Exception) -> str:
    """Return what to say when all ranks are there and cannot connect to each other."""
    name = socket.gethostname()
    text = ("All ranks came to the rendezvous, but they cannot reach each other: a firewall, or the wrong network "
            f"interface (this process uses {os.environ.get(INTERFACE, 'the one of its own name')}; {INTERFACE} names "
            "another)")
    if loopback(own := own_address(name, PORT)):
        text += f", or the hosts file, by which this computer's own name, {name}, leads to {own}"
    return f"{text}; {short(trouble)}."


@contextmanager
def together(others: str) -> Iterator[None]:
    """Turn what the framework says about lost connections inside the block into `Lost`; `others` names who they are."""
    try:
        yield
    except RuntimeError as trouble:
        text = str(trouble)
        if not re.search("gloo|NCCL|[Cc]onnection|store", text):
            raise
        if "imed out" in text or "imeout" in text:
            raise Lost(f"Nothing was heard from {others} for too long: it hangs, or the network is down "
                       f"({short(trouble)}).") from trouble
        raise Lost(f"The connection to {others} broke: that process or its machine has ended "
                   f"({short(trouble)}).") from trouble


def short(trouble: Exception) -> str:
    """Return the first sentence of what an exception says, without the place in the framework's source, or its name."""
    line = (str(trouble) or type(trouble).__name__).strip().splitlines()[0]
    return re.sub(r"^\[\S+:\d+\] ", "", line).partition(". ")[0].rstrip(".")
