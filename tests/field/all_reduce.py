"""An all-reduce timed as anybody would write it, without labkit: what `instruments.all_reduce` is held against.

Both processes read lines from the standard input, `bytes times`, and print the seconds of one of so many back to back.
"""

import sys
from time import perf_counter

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
torch.set_num_threads(1)
for line in sys.stdin:
    size, times = map(int, line.split())
    numbers = torch.zeros(size // 4)
    for _ in range(3):
        dist.all_reduce(numbers)
    dist.barrier()
    start = perf_counter()
    for _ in range(times):
        dist.all_reduce(numbers)
    print((perf_counter() - start) / times, flush=True)
