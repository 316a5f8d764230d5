"""Predictions: pure functions of numbers. No torch, no input or output, no measurement."""
