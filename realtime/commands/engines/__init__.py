"""The `kinecast engines` commands."""
