"""labkit: what the notebooks of *Cluster to Edge* are made of.

`experiment` is the idea, `predict` and `measure` its two halves, `labs` joins them, and `widgets` shows them.
"""

EDITION = 2  # the second number of the version; the first cell of every notebook says which edition it needs
