"""The small networks that the labs train."""
