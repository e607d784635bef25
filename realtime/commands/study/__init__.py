"""The commands of `kinecast study`, one module each."""
