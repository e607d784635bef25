"""The recipe of all networks: one command makes them from nothing, and says what came of it."""
