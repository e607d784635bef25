"""The lifter: landmarks to coordinates."""
