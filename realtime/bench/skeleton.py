"""Forward and inverse kinematics against the opensim package, on the same model and markers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.ik import InverseKinematics
from calib.kinematics import forward_kinematics, marker_positions
from calib.skeleton import Skeleton, default_skeleton_path, load_skeleton
from calib.tables.storage import MarkerTable, write_trc
from engines.benchmark import BenchResult, Ratio, time_in_turn

Array = NDArray[np.float64]

RATE_HZ = 60.0
PERIOD_S = 2.0
MARKER_NOISE_M = 0.005
Task = Callable[[int], object]


def measure(quick: bool) -> BenchResult:
    """Time kinecast, and opensim where it is installed, call by call in turn."""
    n = 200 if quick else 1000
    skeleton = load_skeleton()
    q = moving_coordinates(skeleton, n)
    markers_m = np.stack([marker_positions(skeleton, row) for row in q])
    markers_m += np.random.default_rng(0).normal(0.0, MARKER_NOISE_M, markers_m.shape)
    tasks = {"forward kinematics, kinecast": _forward_task(skeleton, q)}
    inverse = {"inverse kinematics, kinecast": _inverse_task(skeleton, q, markers_m)}
    notes: tuple[str, ...] = (f"{skeleton.n_bodies} bodies, {skeleton.n_markers} markers, warm-started",)
    try:
        import opensim
    except ImportError:
        notes += ("opensim is not installed, so nothing to compare with: pip install 'kinecast[opensim]'",)
    else:
        opensim.Logger.setLevelString("error")
        tasks["forward kinematics, opensim"] = _opensim_forward_task(opensim, skeleton, q)
        inverse["inverse kinematics, opensim"] = _opensim_inverse_task(opensim, skeleton, markers_m)
    timings = time_in_turn(tasks, n) + time_in_turn(inverse, n if quick else n // 2)
    p50 = {t.name: t.p50_us for t in timings}
    ratios = tuple(
        Ratio(f"{what}, kinecast over opensim", p50[f"{what}, opensim"] / p50[f"{what}, kinecast"])
        for what in ("forward kinematics", "inverse kinematics")
        if f"{what}, opensim" in p50
    )
    return BenchResult("skeleton", timings, ratios, notes)


def moving_coordinates(skeleton: Skeleton, n: int) -> Array:
    """Every coordinate swings about its default within a third of its range. Shape: (n, n_q)."""
    rng = np.random.default_rng(1)
    amplitude = np.minimum(0.3, (skeleton.q_upper - skeleton.q_lower) / 6.0)
    amplitude[skeleton.is_locked] = 0.0
    phase = rng.uniform(0.0, 2.0 * np.pi, skeleton.n_q)
    angle = 2.0 * np.pi * np.arange(n)[:, None] / (RATE_HZ * PERIOD_S) + phase
    q = skeleton.q_default + amplitude * np.sin(angle)
    return np.clip(q, skeleton.q_lower, skeleton.q_upper)


def _forward_task(skeleton: Skeleton, q: Array) -> Task:
    T, scale_factors = np.empty((skeleton.n_bodies, 4, 4)), np.ones((skeleton.n_bodies, 3))
    return lambda k: forward_kinematics(skeleton.tree, q[k], scale_factors, T)


def _inverse_task(skeleton: Skeleton, q: Array, markers_m: Array) -> Task:
    solver = InverseKinematics.from_markers(skeleton)
    weights = np.ones(skeleton.n_markers)
    state = {"q": q[0]}

    def solve(k: int) -> None:
        state["q"] = solver.solve(markers_m[k], weights, state["q"] if k else q[0]).q

    return solve


def _opensim_forward_task(opensim: Any, skeleton: Skeleton, q: Array) -> Task:
    model = opensim.Model(str(default_skeleton_path()))
    state = model.initSystem()
    coordinates = [model.getCoordinateSet().get(name) for name in skeleton.coordinate_names]
    bodies = [model.getBodySet().get(name) for name in skeleton.body_names]

    def place(k: int) -> list[Any]:
        for coordinate, value in zip(coordinates, q[k].tolist(), strict=True):
            coordinate.setValue(state, value, False)
        model.realizePosition(state)
        # Coordinates in, transforms out, as kinecast's kernel does.
        return [body.getTransformInGround(state) for body in bodies]

    return place


def _opensim_inverse_task(opensim: Any, skeleton: Skeleton, markers_m: Array) -> Task:
    time_s = np.arange(len(markers_m)) / RATE_HZ
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "markers.trc"
        write_trc(path, MarkerTable(skeleton.marker_names, time_s, markers_m))
        reference = opensim.MarkersReference(str(path), opensim.SetMarkerWeights())
    model = opensim.Model(str(default_skeleton_path()))
    state = model.initSystem()
    solver = opensim.InverseKinematicsSolver(
        model, reference, opensim.SimTKArrayCoordinateReference(), np.inf
    )
    solver.setAccuracy(1e-5)
    state.setTime(0.0)
    solver.assemble(state)

    def track(k: int) -> tuple[Any, Any]:
        state.setTime(float(time_s[k]))
        solver.track(state)
        return model, reference  # which opensim's solver only borrows: the closure keeps them alive

    return track
