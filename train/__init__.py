"""Synthetic people, networks, fitting and export: the only package that imports torch."""
