"""Experiments: each module joins a prediction with the measurement that it must answer to."""
