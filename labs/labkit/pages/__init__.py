"""Experiments that prose pages alone show."""
