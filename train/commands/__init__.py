"""The commands of `kinecast train`, one module each; what is heavy is imported when they run."""
