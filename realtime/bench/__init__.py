"""Measurements of speed, latency and accuracy."""
