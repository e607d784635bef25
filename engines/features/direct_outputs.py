"""What goes into and comes out of an exported direct network, by name and in order."""

from __future__ import annotations

INPUTS = ("image", "log_reach")
"""The crop, blue green red, bytes, (side, side, 3); and `engines.features.crop_rays.log_reach`, (1,)."""
OUTPUTS = (
    "R_crop_pelvis", "q", "sigma", "confidence", "scale_factors", "joints_m", "markers_m", "joints_uv",
    "presence",
)  # fmt: skip
"""Pelvis to the camera that looks at the crop, (3, 3); coordinates, (n_c,); their standard deviations and
confidences, the root's angle last, (n_c + 1,); scale factors, (n_bodies, 3); joint centres and markers from
the pelvis in m, (n_bodies, 3) and (n_markers, 3); joint centres in the crop, whose corners are at -1 and 1,
(n_bodies, 2); and how probable it is that the crop shows a person."""
