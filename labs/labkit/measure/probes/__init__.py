"""What calibrates this machine: each module times single parts of the work, and names them."""
