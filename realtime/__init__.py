"""From frames to a live stream of OpenSim coordinates."""
