"""What goes into and comes out of an exported direct network, by name and in order."""

from __future__ import annotations

from pathlib import Path

from engines.errors import EngineError
from engines.spec import ModelSpec

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


def check_direct_network(spec: ModelSpec, path: Path) -> None:
    """Refuse a network that is no direct one.

    Args:
        spec: What the network takes and gives.
        path: Its file, for the message.

    Raises:
        EngineError: its inputs or outputs have other names, or another order.
    """
    takes, gives = (tuple(tensor.name for tensor in tensors) for tensors in (spec.inputs, spec.outputs))
    if takes != INPUTS or gives != OUTPUTS:
        raise EngineError(
            f"{path}: no direct network: {spec.name} takes {', '.join(takes)} and gives "
            f"{', '.join(gives) or 'nothing'}; accepted: networks that take {', '.join(INPUTS)}; make one "
            "with: kinecast train spatial, then kinecast train export",
            name="model", value=takes, accepted=INPUTS,
        )  # fmt: skip
