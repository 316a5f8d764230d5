"""One measurement at a time in the background of a kernel: two at once would slow each other down."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable

_END_S = 3  # how long a kernel that shuts down waits for the measurement to put its things away

_one = threading.Lock()
_cancelled = threading.Event()
_thread: threading.Thread | None = None


def start(work: Callable[[threading.Event], None]) -> bool:
    """Run `work` in the background, or return False while another measurement runs in this process.

    Args:
        work: receives the event that is set when the reader wants no more; it must not raise.
    """
    global _cancelled, _thread
    if not _one.acquire(blocking=False):
        return False
    _cancelled = cancelled = threading.Event()

    def run() -> None:
        try:
            work(cancelled)
        finally:
            _one.release()

    _thread = threading.Thread(target=run, name="labkit measurement", daemon=True)
    _thread.start()
    return True


def cancel() -> None:
    """Ask the running measurement to stop at its next report of progress."""
    _cancelled.set()


@atexit.register
def _end() -> None:
    cancel()
    if _thread is not None:
        _thread.join(_END_S)
