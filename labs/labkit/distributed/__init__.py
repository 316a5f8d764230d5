"""Data-parallel training by real processes: from a notebook, by `torchrun`, on one machine or many.

- `work`: what the processes train.
- `member`: what each of them does.
- `crew`: starts some on this machine, for a notebook, on an emulated link where wanted.
- `train`: the command that `torchrun` and Slurm start, and the process that a crew starts.
"""
