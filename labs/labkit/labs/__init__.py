"""The labs: a folder each, named as its notebook, and `lab.labs()`, the list of them all."""
