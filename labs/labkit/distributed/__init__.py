"""Data-parallel training by real processes: from a notebook, by `torchrun`, on one machine or many.

- `job`: what the processes train.
- `worker`: what each of them does.
- `pool`: a worker pool, some of them on this machine, for a notebook, on an emulated link where wanted.
- `sharding`, `footprint`: a language model in shards or in stages, and what each process holds and sends.
- `checkpoint`, `saving`: what a training goes on from, and ways to save it.
- `elastic`: a training under torchrun whose processes are killed.
- `train`: the command that `torchrun` and Slurm start, and each process of a worker pool.
"""
