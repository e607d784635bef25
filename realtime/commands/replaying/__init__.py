"""What `kinecast replay` does: tracks videos, and publishes or smooths recordings."""
