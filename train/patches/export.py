"""The patch network as an ONNX file with its spec; refused unless ONNX Runtime agrees with torch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from calib.skeleton import Skeleton
from engines.features.patches import INPUTS, N_CONTEXT, N_PATCHES, OUTPUTS, PATCH_PX
from engines.spec import ModelSpec
from train.onnx_export import export_onnx, largest_difference
from train.patches.network import PatchNetwork

PARITY = 1e-4
"""Accepted difference, in sides of a patch."""


class LivePatchNetwork(nn.Module):
    """The network with a tuple of outputs, as exported networks have.

    Args:
        network: Trained network.
    """

    def __init__(self, network: PatchNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Tensor, context: Tensor) -> tuple[Tensor]:
        """Points of n patches; see `PatchNetwork.forward`."""
        return (self.network(patches, context),)


def export_patches(model: PatchNetwork, skeleton: Skeleton, path: Path, name: str) -> ModelSpec:
    """Write `path` and its spec, for all patches of one image at once.

    Args:
        model: Trained network.
        skeleton: Skeleton whose markers it finds.
        path: File to write; its name ends in `.onnx`.
        name: Name of the network in the spec.

    Returns:
        The spec that was written.

    Raises:
        TrainError: ONNX Runtime disagrees with torch.
    """
    live = LivePatchNetwork(model.to(memory_format=torch.contiguous_format)).eval()  # type: ignore[call-overload]
    example = (
        torch.rand(N_PATCHES, 3, PATCH_PX, PATCH_PX).numpy(),
        torch.randn(N_PATCHES, N_CONTEXT).numpy(),
    )
    spec = ModelSpec(
        name=name,
        inputs=INPUTS,
        outputs=OUTPUTS,
        coordinate_names=(),
        skeleton_sha=skeleton.sha,
    )
    return export_onnx(
        live, example, path, spec,
        input_names=[t.name for t in INPUTS], output_names=[t.name for t in OUTPUTS],
        difference=lambda run: largest_difference(live, run, [example]), accepted=PARITY,
    )  # fmt: skip
