"""What a process really holds and sends: its tensors, its memory as the system counts it, and its sockets' bytes."""

from __future__ import annotations

import ctypes
import gc
import os
import socket
import stat
import struct
import weakref
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_STATUS, _SOCKETS = Path("/proc/self/status"), Path("/proc/self/fd")
_MMAP_THRESHOLD = -3  # glibc's name of the size from which each block is a mapping of its own: mallopt(3)
_SMALL = 2**16  # bytes
_TCP_INFO, _ACKED = 232, 120  # bytes of Linux's struct tcp_info, and where in it tcpi_bytes_acked is


class LiveTensors(TorchDispatchMode):
    """Knows every tensor that is made inside the block and, from `begin` on, how many bytes are alive at most.

    A storage counts once, however many tensors look at it, and with the bytes that it has at the moment: sharding frees
    a gathered parameter by resizing it to nothing. `peak` is the most after any operation, `resident` the process's own
    memory at that moment, None where the system does not tell.
    """

    def __init__(self):
        super().__init__()
        self._storages: dict[int, weakref.ref] = {}
        self._files: set[int] = set()
        self._begun, self.peak, self.resident = False, 0, None

    def begin(self) -> None:
        """Look at the bytes after every operation from now on."""
        self._begun = True

    def leave_out(self, tensors: Iterable[torch.Tensor]) -> None:
        """Do not count tensors whose numbers lie in a file."""
        self._files |= {tensor.untyped_storage()._cdata for tensor in tensors}

    def now(self) -> int:
        """Return the bytes that are alive."""
        held, gone = 0, []
        for key, reference in self._storages.items():
            if (storage := reference()) is None:
                gone.append(key)
            elif key not in self._files:
                held += storage.nbytes()
        for key in gone:
            del self._storages[key]
        return held

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        for tensor in tree_leaves((arguments, keywords, result)):
            if isinstance(tensor, torch.Tensor):
                storage = local(tensor).untyped_storage()
                self._storages[storage._cdata] = weakref.ref(storage)
        if self._begun and (held := self.now()) > self.peak:
            self.peak, self.resident = held, resident()
        return result


def local(tensor: torch.Tensor) -> torch.Tensor:
    """Return what this process holds of a tensor that several share."""
    return tensor._local_tensor if isinstance(tensor, DTensor) else tensor


def resident() -> int | None:
    """Return the bytes of this process's own memory, without pages of files; None where the system does not tell."""
    with suppress(OSError, StopIteration):
        lines = _STATUS.read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])
    return None


def return_at_once() -> bool:
    """Have memory that is freed go back to the system at once, from now on, so that it shows.

    Every larger block becomes a mapping of its own, and takes longer to make. There is no way back: what the C library
    kept for later in between, it would use first.

    Returns:
        Whether this C library can.
    """
    library = ctypes.CDLL(None) if os.name == "posix" else None
    gc.collect()
    gc.freeze()  # what is left are the modules: the next collection need not look through them
    if not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        return False
    library.mallopt(_MMAP_THRESHOLD, _SMALL)
    library.malloc_trim(0)
    return True


def sent() -> dict[str, int] | None:
    """Return the bytes that each TCP connection of this process has sent, by its ports; None off Linux."""
    if not (_SOCKETS.is_dir() and hasattr(socket, "TCP_INFO")):
        return None
    found = {}
    for entry in os.listdir(_SOCKETS):
        with suppress(OSError, ValueError):
            if stat.S_ISSOCK(os.stat(_SOCKETS / entry).st_mode):
                with socket.socket(fileno=os.dup(int(entry))) as connection:
                    if connection.type == socket.SOCK_STREAM and connection.family != socket.AF_UNIX:
                        ends = f"{connection.getsockname()} {connection.getpeername()}"
                        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO)
                        found[ends] = struct.unpack_from("Q", info, _ACKED)[0]
    return found
