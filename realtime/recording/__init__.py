"""Recordings: folders on disk, written and read."""
