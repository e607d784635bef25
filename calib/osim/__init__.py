"""Reading .osim files."""
