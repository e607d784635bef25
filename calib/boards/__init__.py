"""Calibration boards, cameras fitted to them, pairs of cameras, the floor."""
