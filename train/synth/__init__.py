"""Synthetic people as streams and as sets on disk."""
