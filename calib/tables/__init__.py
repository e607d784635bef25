"""Reading and writing .mot, .sto and .trc files."""
