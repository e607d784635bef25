"""Tracking from Python: frames in, poses out, without the command line."""
