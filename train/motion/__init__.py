"""Motion of synthetic people: coordinates over time."""
