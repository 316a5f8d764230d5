"""An emulated link where the machine allows no networks of its own: each all-reduce is held back as a link would.

The sums travel over the loopback interface. Then they wait until a ring over the link would have delivered them.
"""

import queue
import threading
from time import perf_counter, sleep

import torch
import torch.distributed as group

from labkit.netem import gloo_ring
from labkit.specs.link import LinkSpec


class DelayedAllReduce:
    """The one link that every all-reduce of this process has to pass, one after the other.

    Args:
        processes: in the ring.
        spec: what the link is; set it anew at any time.
    """

    def __init__(self, processes: int, spec: LinkSpec | None = None):
        self.spec, self._processes = spec or LinkSpec(), processes
        self._free = 0.0
        self._waiting: queue.Queue = queue.Queue()
        threading.Thread(target=self._deliver, daemon=True).start()

    def due(self, now: float, size: int) -> float:
        """Return when an all-reduce of `size` bytes that begins now is over; the link is busy until it is sent."""
        self._free = max(now, self._free) + gloo_ring.sending(size, self._processes, self.spec)
        return self._free + gloo_ring.waiting(size, self._processes, self.spec)

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
