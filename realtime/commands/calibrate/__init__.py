"""The `kinecast calibrate` commands."""
