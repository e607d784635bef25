"""Forward kinematics in torch: batched, differentiable, over the same arrays as the numba kernels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calib.osim.functions import FunctionTable
from calib.skeleton import Skeleton
from calib.tree import AXIS_TRANSLATION, KinematicTree


class FunctionBank(nn.Module):
    """Many piecewise polynomials, each evaluated at its own argument."""

    upper: Tensor
    origin: Tensor
    coefficients: Tensor

    def __init__(self, table: FunctionTable, functions: NDArray[np.int64]) -> None:
        """Pad the wanted functions to equal numbers of pieces."""
        super().__init__()
        counts = np.diff(table.start)[functions]
        n_pieces = int(counts.max(initial=1))
        upper = np.full((len(functions), n_pieces), np.inf)
        origin = np.zeros((len(functions), n_pieces))
        coefficients = np.zeros((len(functions), n_pieces, table.coefficients.shape[1]))
        for k, function in enumerate(functions):
            pieces = slice(table.start[function], table.start[function + 1])
            upper[k, : counts[k]] = table.upper[pieces]
            origin[k, : counts[k]] = table.origin[pieces]
            coefficients[k, : counts[k]] = table.coefficients[pieces]
        self.register_buffer("upper", torch.from_numpy(upper))
        self.register_buffer("origin", torch.from_numpy(origin))
        self.register_buffer("coefficients", torch.from_numpy(coefficients))

    def forward(self, x: Tensor) -> Tensor:
        """Value of each function. Shape: (..., n_functions), as the argument."""
        piece = (x.detach().unsqueeze(-1) > self.upper).sum(-1)
        each = torch.arange(self.upper.shape[0], device=x.device)
        dx = x - self.origin[each, piece]
        terms = self.coefficients[each, piece]
        value = terms[..., -1]
        for power in range(terms.shape[-1] - 2, -1, -1):
            value = value * dx + terms[..., power]
        return value


class TorchKinematics(nn.Module):
    """A skeleton as a module without parameters; `.to(...)` moves and casts it.

    `calib.kinematics.forward_kinematics` does the same for one pose, and is pinned to it by a test.
    """

    R_parent_joint: Tensor
    M_parent_joint: Tensor
    R_body_joint: Tensor
    M_body_joint: Tensor
    radii_m: Tensor
    has_parent: Tensor
    axis: Tensor
    axis_is_scaled: Tensor
    axis_constant: Tensor
    axis_body: Tensor
    term_sum: Tensor
    coupler_weight: Tensor
    M_marker: Tensor
    rotation_slot: Tensor
    translation_sum: Tensor

    def __init__(self, skeleton: Skeleton) -> None:
        """Copy the skeleton's arrays into buffers, in double precision."""
        super().__init__()
        tree = skeleton.tree
        self.skeleton = skeleton
        self._register_frames(tree)
        self._register_axes(tree)
        self._register_couplers(tree)
        self.terms = FunctionBank(tree.functions, tree.terms["function"])
        self.term_coordinate = tree.terms["coordinate"].tolist()
        self.marker_body = tree.marker_body.tolist()
        self.levels = _levels(tree.parent)

    def _register_frames(self, tree: KinematicTree) -> None:
        for name in ("R_parent_joint", "M_parent_joint", "R_body_joint", "M_body_joint", "radii_m"):
            self._register(name, tree.bodies[name])
        self._register("M_marker", tree.M_marker)
        self._register("has_parent", tree.parent >= 0)
        self.parent = tree.parent.tolist()

    def _register(self, name: str, value: NDArray[np.generic]) -> None:
        # A copy: torch takes neither read-only arrays nor fields of records.
        self.register_buffer(name, torch.from_numpy(np.array(value)))

    def _register_axes(self, tree: KinematicTree) -> None:
        n_axes, n_bodies = len(tree.axes), len(tree.bodies)
        axis_body = np.zeros(n_axes, dtype=np.int64)
        term_sum = np.zeros((len(tree.terms), n_axes))
        for axis, record in enumerate(tree.axes):
            term_sum[record["first_term"] : record["end_term"], axis] = 1.0
        # The last slot stands for "no rotation".
        slots = np.full((n_bodies, 3), n_axes)
        translation_sum = np.zeros((n_bodies, n_axes))
        for body, record in enumerate(tree.bodies):
            own = np.arange(record["first_axis"], record["end_axis"])
            axis_body[own] = body
            translates = tree.axes["kind"][own] == AXIS_TRANSLATION
            turns = own[~translates]
            slots[body, : len(turns)] = turns
            translation_sum[body, own[translates]] = 1.0
        self._register("axis", tree.axes["direction"])
        self._register("axis_is_scaled", tree.axes["is_scaled"].astype(np.bool_))
        self._register("axis_constant", tree.axes["constant"])
        self._register("axis_body", axis_body)
        self._register("term_sum", term_sum)
        self._register("rotation_slot", slots)
        self._register("translation_sum", translation_sum)

    def _register_couplers(self, tree: KinematicTree) -> None:
        self.coupler_dependent = tree.couplers["dependent"].tolist()
        self.coupler_independent = tree.couplers["independent"].tolist()
        self.coupler_body = tree.couplers["body"].tolist()
        self.couplers = nn.ModuleList(
            FunctionBank(tree.functions, tree.couplers["function"][k : k + 1])
            for k in range(len(tree.couplers))
        )
        self._register("coupler_weight", tree.couplers["weight"])

    def apply_couplers(self, q: Tensor, scale_factors: Tensor) -> Tensor:
        """Coordinates with the dependent ones set. Shape: (..., n_q)."""
        columns = list(q.unbind(-1))
        for k, (dependent, independent) in enumerate(
            zip(self.coupler_dependent, self.coupler_independent, strict=True)
        ):
            value = self.couplers[k](columns[independent].unsqueeze(-1)).squeeze(-1)
            weight = self.coupler_weight[k]
            if bool(weight.any()):
                value = value * (scale_factors[..., self.coupler_body[k], :] * weight).sum(-1)
            columns[dependent] = value
        return torch.stack(columns, -1)

    def forward(self, q: Tensor, scale_factors: Tensor | None = None) -> Tensor:
        """T_ground_body of every body.

        Args:
            q: Coordinates in rad and m. Shape: (..., n_q).
            scale_factors: Ones if left out. Shape: (..., n_bodies, 3).

        Returns:
            Shape: (..., n_bodies, 4, 4).
        """
        scale = self._scale(q, scale_factors)
        q = self.apply_couplers(q, scale)
        displacement = self.terms(q[..., self.term_coordinate]) @ self.term_sum + self.axis_constant
        R_local, t_local = self._joint_motion(displacement, scale)
        t_child = (self.M_body_joint * scale.unsqueeze(-2)).sum(-1)
        R_local = R_local @ self.R_body_joint.transpose(-1, -2)
        t_local = t_local - (R_local @ t_child.unsqueeze(-1)).squeeze(-1)
        return self._chain(_homogeneous(R_local, t_local))

    def _scale(self, q: Tensor, scale_factors: Tensor | None) -> Tensor:
        if scale_factors is None:
            return q.new_ones(*q.shape[:-1], len(self.parent), 3)
        return scale_factors.expand(*q.shape[:-1], -1, -1)

    def _joint_motion(self, displacement: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Each joint's child frame in the parent body."""
        parent_scale = torch.where(self.has_parent.unsqueeze(-1), scale[..., self.parent, :], 1.0)
        turns = _axis_rotations(self.axis, displacement)
        nothing = torch.eye(3, dtype=turns.dtype, device=turns.device).expand(*turns.shape[:-3], 1, 3, 3)
        turns = torch.cat([turns, nothing], -3)[..., self.rotation_slot, :, :]
        R_joint = turns[..., 0, :, :] @ turns[..., 1, :, :] @ turns[..., 2, :, :]
        axis_scale = (self.axis * parent_scale[..., self.axis_body, :]).sum(-1)
        shift = displacement * torch.where(self.axis_is_scaled, axis_scale, 1.0)
        t_joint = self.translation_sum @ (shift.unsqueeze(-1) * self.axis)
        t_joint = t_joint + self.radii_m * parent_scale * R_joint[..., 2]
        origin = (self.M_parent_joint * parent_scale.unsqueeze(-2)).sum(-1)
        R_local = self.R_parent_joint @ R_joint
        return R_local, origin + (self.R_parent_joint @ t_joint.unsqueeze(-1)).squeeze(-1)

    def _chain(self, T_parent_body: Tensor) -> Tensor:
        """Compose from the root outwards, all bodies of one depth at once."""
        placed: dict[int, Tensor] = {}
        for level in self.levels:
            local = T_parent_body[..., level, :, :]
            if self.parent[level[0]] >= 0:
                local = torch.stack([placed[self.parent[body]] for body in level], -3) @ local
            placed |= dict(zip(level, local.unbind(-3), strict=True))
        return torch.stack([placed[body] for body in range(len(self.parent))], -3)

    def marker_positions(self, T_ground_body: Tensor, scale_factors: Tensor) -> Tensor:
        """Markers in ground, in m. Shape: (..., n_markers, 3)."""
        station = (self.M_marker * scale_factors[..., self.marker_body, :].unsqueeze(-2)).sum(-1)
        return transform_stations(T_ground_body, self.marker_body, station)

    def joint_centres(self, T_ground_body: Tensor, scale_factors: Tensor) -> Tensor:
        """Origin of each body's joint in ground, in m. Shape: (..., n_bodies, 3)."""
        station = (self.M_body_joint * scale_factors.unsqueeze(-2)).sum(-1)
        return transform_stations(T_ground_body, list(range(len(self.parent))), station)


def transform_stations(T_ground_body: Tensor, station_body: list[int], station_m: Tensor) -> Tensor:
    """Points fixed in bodies, in ground. Shape: (..., n_stations, 3)."""
    T = T_ground_body[..., station_body, :, :]
    return (T[..., :3, :3] @ station_m.unsqueeze(-1)).squeeze(-1) + T[..., :3, 3]


def _axis_rotations(axis: Tensor, angle: Tensor) -> Tensor:
    """Rodrigues' formula for fixed unit axes. Shape: (..., n_axes, 3, 3)."""
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    K = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    s, c = angle.sin()[..., None, None], angle.cos()[..., None, None]
    return torch.eye(3, dtype=axis.dtype, device=axis.device) + s * K + (1.0 - c) * (K @ K)


def _homogeneous(R: Tensor, t: Tensor) -> Tensor:
    top = torch.cat([R, t.unsqueeze(-1)], -1)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], -2)


def _levels(parent: NDArray[np.int64]) -> list[list[int]]:
    """Bodies by their depth below ground."""
    depth = np.zeros(len(parent), dtype=np.int64)
    for body, above in enumerate(parent):
        depth[body] = 0 if above < 0 else depth[above] + 1
    return [np.flatnonzero(depth == d).tolist() for d in range(depth.max() + 1)]
