"""Studies: many trials of many people, tracked one by one or on many machines, and their table."""
