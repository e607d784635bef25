"""Kernels of the inverse kinematics."""
