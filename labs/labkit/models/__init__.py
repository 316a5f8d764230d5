"""Data sets, networks, the training loop, and how networks are judged."""
