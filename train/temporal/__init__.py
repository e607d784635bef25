"""Temporal networks: estimates over time to steadier estimates."""
