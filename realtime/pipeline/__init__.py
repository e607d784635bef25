"""Threads, slots and statistics of a run."""
