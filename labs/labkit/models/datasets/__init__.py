"""The pictures that the labs train on: drawn on the spot from a seed, never downloaded."""
