"""Calibration sessions with a person or a board."""
