"""How anything in the course is timed: the clock, and the drift of a machine's speed."""
