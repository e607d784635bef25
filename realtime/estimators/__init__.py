"""Estimators: a frame in, a pose sample out."""
