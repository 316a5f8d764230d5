"""labkit: what the notebooks of *Cluster to Edge* are made of.

`experiment` is the idea, `predict` and `measure` its two halves, `experiments` joins them, and `explorer` shows them.
"""
