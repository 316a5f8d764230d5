"""Runtimes: a network exported, opened and run outside the training framework."""
