"""Events and repetitions of a movement: marked by hand, or found in angles and foot contacts."""
