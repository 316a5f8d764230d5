"""An emulated link where the machine allows no networks of its own: each all-reduce is held back as a link would.

The sums travel over the loopback interface. Then they wait until a ring over the link would have delivered them.
"""

import queue
import threading
from time import perf_counter, sleep

import torch
import torch.distributed as group

from labkit.shape import Shape, on_the_wire


class HeldBack:
    """The one link that every all-reduce of this process has to pass, one after the other.

    A ring of n processes moves 2 (n - 1) pieces, each an n-th of the message, one after the other (Patarasuk and Yuan
    2009, doi:10.1016/j.jpdc.2008.09.002). gloo first tells that it is ready for a piece, and the piece comes then: one
    round trip for each.

    Args:
        processes: in the ring.
        shape: of the link; set it anew at any time.
    """

    def __init__(self, processes: int, shape: Shape | None = None):
        self.shape, self._pieces, self._processes = shape or Shape(), 2 * (processes - 1), processes
        self._free = 0.0
        self._waiting: queue.Queue = queue.Queue()
        threading.Thread(target=self._deliver, daemon=True).start()

    def due(self, now: float, size: int) -> float:
        """Return when an all-reduce of `size` bytes that begins now is over; the link is busy until it is sent."""
        sent = self._pieces * on_the_wire(-(-size // self._processes)) / self.shape.bandwidth
        self._free = max(now, self._free) + sent
        return self._free + self._pieces * self.shape.round_trip

    def all_reduce(self, numbers: torch.Tensor) -> None:
        """Add up `numbers` over all processes, in place, and take as long as the link does."""
        due = self.due(perf_counter(), numbers.nbytes)
        group.all_reduce(numbers)
        sleep(max(0.0, due - perf_counter()))

    def hook(self, _, bucket: group.GradBucket) -> torch.futures.Future[torch.Tensor]:
        """Average a bucket of gradients: a communication hook of `DistributedDataParallel`."""
        numbers, found = bucket.buffer().div_(self._processes), torch.futures.Future()
        due = self.due(perf_counter(), numbers.nbytes)
        self._waiting.put((group.all_reduce(numbers, async_op=True), due, numbers, found))
        return found

    def _deliver(self) -> None:
        while True:
            work, due, numbers, found = self._waiting.get()
            try:
                work.wait()
                sleep(max(0.0, due - perf_counter()))
                found.set_result(numbers)
            except Exception as trouble:
                found.set_exception(trouble)
