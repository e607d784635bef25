"""Recorded motion for other programs: DataFrames, spreadsheets, C3D and BVH."""
