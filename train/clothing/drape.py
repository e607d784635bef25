"""How cloth leaves the body: tubes around trunk and limbs that hang from the widest place above."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

_SECTORS = 24
_STEP_M = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class TubeCoordinates:
    """Places of vertices around a chain of straight axes."""

    along_m: NDArray[np.float32]
    """Distance along the chain from its first point; negative before it. Shape: (n_vertices,)."""
    angle: NDArray[np.float32]
    """Around the axis, in turns, 0 to 1. Shape: (n_vertices,)."""
    radius_m: NDArray[np.float32]
    """Distance from the axis. Shape: (n_vertices,)."""
    outward: NDArray[np.float32]
    """Unit vector away from the axis. Shape: (n_vertices, 3)."""

    @classmethod
    def around(cls, p_m: NDArray[np.float32], chain_m: NDArray[np.float64]) -> TubeCoordinates:
        """Coordinates around a chain of points; the nearest axis counts.

        Args:
            p_m: Vertices. Shape: (n_vertices, 3).
            chain_m: Joints from top to end. Shape: (n_points, 3).
        """
        axis = chain_m[-1] - chain_m[0]
        side = np.cross(axis / np.linalg.norm(axis), [1.0, 0.0, 0.0])
        out = np.empty((len(p_m), 6), np.float32)
        _around(p_m, np.ascontiguousarray(chain_m, np.float64), side / np.linalg.norm(side), out)
        along, angle, radius = (np.ascontiguousarray(out[:, k]) for k in range(3))
        return cls(along, angle, radius, np.ascontiguousarray(out[:, 3:]))


@njit(cache=True, nogil=True)
def _around(
    p_m: NDArray[np.float32], chain: NDArray[np.float64], side: NDArray[np.float64], out: NDArray[np.float32]
) -> None:
    """Along, angle, radius and outward direction around the nearest axis of a chain."""
    last = chain.shape[0] - 2
    for i in range(p_m.shape[0]):
        best, start, along = 1e30, 0.0, 0.0
        ox = oy = oz = 0.0
        for k in range(last + 1):
            dx, dy, dz = (
                chain[k + 1, 0] - chain[k, 0],
                chain[k + 1, 1] - chain[k, 1],
                chain[k + 1, 2] - chain[k, 2],
            )
            length = math.sqrt(dx * dx + dy * dy + dz * dz)
            dx, dy, dz = dx / length, dy / length, dz / length
            px, py, pz = p_m[i, 0] - chain[k, 0], p_m[i, 1] - chain[k, 1], p_m[i, 2] - chain[k, 2]
            s = px * dx + py * dy + pz * dz
            if k > 0:
                s = max(s, 0.0)
            if k < last:
                s = min(s, length)
            ax, ay, az = px - s * dx, py - s * dy, pz - s * dz
            distance = math.sqrt(ax * ax + ay * ay + az * az)
            if distance < best:
                best, along, ox, oy, oz = distance, start + s, ax, ay, az
            start += length
        turn = math.atan2(ox * side[0] + oy * side[1] + oz * side[2], ox) / (2.0 * math.pi)
        out[i, 0], out[i, 1], out[i, 2] = along, turn - math.floor(turn), best
        scale = 1.0 / max(best, 1e-6)
        out[i, 3], out[i, 4], out[i, 5] = ox * scale, oy * scale, oz * scale


@njit(cache=True, nogil=True)
def _envelope(
    row: NDArray[np.int64],
    sector: NDArray[np.int64],
    radius: NDArray[np.float32],
    n_rows: int,
    first_row: int,
    slack: float,
) -> NDArray[np.float32]:
    """Largest radius by row and sector, filled, hung from above and smoothed. Shape: (n_rows, _SECTORS)."""
    wall = np.zeros((n_rows, _SECTORS), np.float32)
    for i in range(row.shape[0]):
        wall[row[i], sector[i]] = max(wall[row[i], sector[i]], radius[i])
    for r in range(n_rows):
        for _ in range(_SECTORS):  # sectors without a vertex take their neighbours' radius
            for s in range(_SECTORS):
                if wall[r, s] == 0.0:
                    wall[r, s] = max(wall[r, (s + 1) % _SECTORS], wall[r, s - 1]) * np.float32(0.98)
        if r > 0:
            for s in range(_SECTORS):
                if r > first_row or wall[r, s] == 0.0:
                    wall[r, s] = max(wall[r, s], wall[r - 1, s] - slack)
    out = wall.copy()
    for r in range(n_rows):
        above, below = max(r - 1, 0), min(r + 1, n_rows - 1)
        for s in range(_SECTORS):
            ring = wall[r, s - 1] + 2.0 * wall[r, s] + wall[r, (s + 1) % _SECTORS]
            out[r, s] = max(wall[r, s], (ring + wall[above, s] + wall[below, s]) / 6.0)
    return out


def hanging_radius_m(
    tube: TubeCoordinates,
    chosen: NDArray[np.bool_],
    *,
    from_m: float = 0.0,
    slack: float = 0.0,
) -> NDArray[np.float32]:
    """Radius of cloth that hangs from the widest place above, per vertex.

    Args:
        tube: Coordinates of the vertices.
        chosen: Vertices that carry the cloth; others keep their radius.
        from_m: Position along the tube below which the cloth hangs free.
        slack: Narrowing of the cloth per metre (0 falls straight).

    Returns:
        Radius, at least the vertex's own. Shape: (n_vertices,).
    """
    radius = tube.radius_m.copy()
    index = np.flatnonzero(chosen)
    if len(index) == 0:
        return radius
    start = float(tube.along_m[index].min())
    row = (tube.along_m[index] - start) / _STEP_M
    column = tube.angle[index] * _SECTORS
    n_rows = int(row.max()) + 2
    wall = _envelope(
        row.astype(np.int64), column.astype(np.int64) % _SECTORS, radius[index], n_rows,
        int((from_m - start) / _STEP_M), slack * _STEP_M,
    )  # fmt: skip
    r0, s0 = np.floor(row - 0.5), np.floor(column - 0.5)
    fr, fs = row - 0.5 - r0, column - 0.5 - s0
    ra, rb = np.clip(r0, 0, n_rows - 1).astype(int), np.clip(r0 + 1, 0, n_rows - 1).astype(int)
    sa, sb = s0.astype(int) % _SECTORS, (s0.astype(int) + 1) % _SECTORS
    around = (1 - fs) * wall[ra, sa] + fs * wall[ra, sb]
    below = (1 - fs) * wall[rb, sa] + fs * wall[rb, sb]
    radius[index] = np.maximum(radius[index], (1 - fr) * around + fr * below)
    return radius
