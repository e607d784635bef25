"""Writes the default skeleton; an offline tool."""
