"""Measurements: each module runs a real thing. They know nothing of predictions."""
