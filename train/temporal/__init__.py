"""Temporal networks: smoothing of estimates over time."""
