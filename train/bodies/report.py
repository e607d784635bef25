"""Checks the fitted adults against published people: `python -m train.bodies.report` prints it.

Three tables: how the resting adults stand, in the coordinates that marker-based laboratories report; how
they are proportioned; and how far the joints that their posed skin shows are from the skeleton's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calib.coordinates import side_of, stem_of
from calib.kinematics import joint_centres
from calib.skeleton import Skeleton
from train.bodies.bodies import split_adults
from train.bodies.fit_targets import point_targets
from train.bodies.puppet import Puppet, PuppetPool
from train.bodies.surface_landmarks import landmark_index, landmark_positions
from train.motion.captured import load_captured
from train.motion.library import MotionLibrary
from train.motion.motion import FloatArray


@dataclass(frozen=True, slots=True)
class Norm:
    """A published mean and standard deviation."""

    mean: float
    sd: float
    where: str


# How people stand, in degrees of OpenSim's coordinates.
_STANDING: dict[str, Norm] = {
    # ASIS-PSIS 11.3 (4.3) degrees forward; at zero tilt the skeleton's are 8.7 (`fit_targets`).
    "pelvis_tilt": Norm(-2.6, 4.3, "Levine & Whittle 1996"),
    "lumbar_extension": Norm(-4.0, 6.0, "upright trunk over that pelvis"),
    "hip_flexion_r": Norm(1.0, 6.0, "vertical thigh under that pelvis"),
    "hip_rotation_r": Norm(0.0, 6.0, "patella forward: Kadaba et al. 1990"),
    "knee_angle_r": Norm(1.0, 4.0, "Kadaba et al. 1990"),
    "ankle_angle_r": Norm(3.0, 3.0, "Kadaba et al. 1990; 5 in OpenCap's scaling"),
    "neck_flexion": Norm(5.0, 6.0, "level gaze over that trunk"),
}
_CARRYING = Norm(12.0, 4.0, "Paraskevas et al. 2004")

_DE_LEVA = "de Leva 1996"
# As parts of stature; sd is the 5 % by which segments of one stature differ in ANSUR II (2012).
_PROPORTIONS: dict[str, Norm] = {
    "thigh": Norm(0.2395, 0.012, "Drillis & Contini 1966, de Leva 1996"),
    "shank": Norm(0.2470, 0.012, "Drillis & Contini 1966, de Leva 1996"),
    "thigh / shank": Norm(0.965, 0.045, "the same"),
    "foot length": Norm(0.1520, 0.006, "Drillis & Contini 1966"),
    "upper arm": Norm(0.1605, 0.008, _DE_LEVA),
    "forearm": Norm(0.1535, 0.008, _DE_LEVA),
    "half hip width": Norm(0.0495, 0.003, "Harrington et al. 2007"),
    "half shoulder width": Norm(0.1030, 0.006, "Rab et al. 2002, ANSUR II"),
    "hip height": Norm(0.5200, 0.012, "ANSUR II, trochanterion"),
}
_STATURE_M = {"men": Norm(1.754, 0.076, "NHANES 2015-18"), "women": Norm(1.617, 0.070, "NHANES 2015-18")}

# The landmarks whose middle shows each centre on the posed skin.
_SHOWN_BY = {
    "knee": ("knee_lateral", "knee_medial"),
    "ankle": ("malleolus_lateral", "malleolus_medial"),
    "elbow": ("elbow_lateral", "elbow_medial"),
    "wrist": ("radial_styloid", "ulnar_styloid"),
}
# Centres inside the trunk show on no landmark's middle: they move with the body that they were found on.
_CARRIED_BY = {"hip": "pelvis", "shoulder": "torso"}


def proportions(puppet: Puppet) -> dict[str, float]:
    """Segment lengths as parts of stature, by the names of the table."""
    skeleton = puppet.skeleton
    centre = dict(
        zip(skeleton.body_names, joint_centres(skeleton, puppet.q_rest, puppet.scale_factors), strict=True)
    )

    def length(a: str, b: str) -> float:
        return float(np.linalg.norm(centre[a] - centre[b])) / puppet.stature_m

    is_foot = puppet.rest_vertices_m[:, 1] < 0.04 * puppet.stature_m
    right_foot = puppet.rest_vertices_m[is_foot & (puppet.rest_vertices_m[:, 2] > 0.0)]
    thigh, shank = length("femur_r", "tibia_r"), length("tibia_r", "talus_r")
    return {
        "thigh": thigh,
        "shank": shank,
        "thigh / shank": thigh / shank,
        "foot length": float(np.ptp(right_foot[:, 0])) / puppet.stature_m,
        "upper arm": length("humerus_r", "ulna_r"),
        "forearm": length("ulna_r", "hand_r"),
        "half hip width": length("femur_r", "femur_l") / 2.0,
        "half shoulder width": length("humerus_r", "humerus_l") / 2.0,
        "hip height": float(centre["femur_r"][1]) / puppet.stature_m,
    }


def carrying_angle_deg(puppet: Puppet) -> float:
    """Between upper arm and forearm in the frontal plane, elbow straight and palm forward."""
    skeleton = puppet.skeleton
    centre = dict(
        zip(
            skeleton.body_names,
            joint_centres(skeleton, np.zeros(skeleton.n_q), puppet.scale_factors),
            strict=True,
        )
    )
    upper, fore = centre["ulna_r"] - centre["humerus_r"], centre["hand_r"] - centre["ulna_r"]
    return float(np.degrees(np.arctan2(fore[2], -fore[1]) - np.arctan2(upper[2], -upper[1])))


def centre_residuals_m(puppet: Puppet, q: FloatArray) -> dict[str, float]:
    """How far each joint centre that the posed skin shows is from the skeleton's, in m."""
    skeleton = puppet.skeleton
    T = puppet.body_transforms(q)
    shown = landmark_positions(puppet.vertices(q))
    residuals = {}
    for target in point_targets(skeleton, puppet.model, puppet.shape):
        if not target.is_centre:
            continue
        stem, side = stem_of(target.name), side_of(target.name)
        body = skeleton.body_index(target.body)
        own = T[body, :3, :3] @ (target.station_m * puppet.scale_factors[body]) + T[body, :3, 3]
        if stem in _SHOWN_BY:
            seen = np.mean([shown[landmark_index(f"{name}_{side}")] for name in _SHOWN_BY[stem]], axis=0)
        else:
            trunk = skeleton.body_index(_CARRIED_BY[stem])
            rest = puppet.T_rest[trunk]
            seen = T[trunk, :3, :3] @ rest[:3, :3].T @ (target.position_m - rest[:3, 3]) + T[trunk, :3, 3]
        residuals[target.name] = float(np.linalg.norm(own - seen))
    return residuals


def standing_frames(skeleton: Skeleton, q: FloatArray) -> FloatArray:
    """Frames of a motion in which somebody stands upright on straight legs. Shape: (n, n_q)."""
    limits_deg = {"knee_angle_r": 12.0, "knee_angle_l": 12.0, "hip_flexion_r": 15.0, "hip_flexion_l": 15.0}
    limits_deg |= {
        "lumbar_extension": 15.0,
        "pelvis_list": 8.0,
        "hip_adduction_r": 12.0,
        "hip_adduction_l": 12.0,
    }
    ok = np.ones(len(q), dtype=np.bool_)
    for name, limit in limits_deg.items():
        ok &= np.abs(q[:, skeleton.coordinate_index(name)]) < np.radians(limit)
    speed = np.abs(np.diff(q, axis=0, prepend=q[:1])).max(axis=1)
    return q[ok & (speed < np.radians(2.0))]


def _standing_table(pool: PuppetPool, puppets: list[Puppet]) -> Iterator[str]:
    skeleton = pool.skeleton
    q_deg = np.degrees([puppet.q_rest for puppet in puppets])
    measured = [standing_frames(skeleton, m.q) for m in load_captured(skeleton) if m.source == "opensim"]
    real = np.degrees(np.concatenate([*measured, np.empty((0, skeleton.n_q))]))
    yield f"{'standing, deg':20} {'adults':>13} {'published':>13} {'markers':>13}"
    for name, norm in _STANDING.items():
        k = skeleton.coordinate_index(name)
        markers = f"{real[:, k].mean():6.1f} ({real[:, k].std():4.1f})" if len(real) else "-"
        yield (
            f"{name:20} {q_deg[:, k].mean():6.1f} ({q_deg[:, k].std():4.1f}) "
            f"{norm.mean:6.1f} ({norm.sd:4.1f}) {markers:>13}  {norm.where}"
        )
    angles = np.array([carrying_angle_deg(puppet) for puppet in puppets])
    yield (
        f"{'carrying angle':20} {angles.mean():6.1f} ({angles.std():4.1f}) {_CARRYING.mean:6.1f} "
        f"({_CARRYING.sd:4.1f}) {'-':>13}  {_CARRYING.where}"
    )


def _proportion_table(pool: PuppetPool, puppets: list[Puppet]) -> Iterator[str]:
    yield f"{'part of stature':20} {'adults':>15} {'published':>15} {'off by':>8}"
    rows = [proportions(puppet) for puppet in puppets]
    for name, norm in _PROPORTIONS.items():
        values = np.array([row[name] for row in rows])
        yield (
            f"{name:20} {values.mean():7.4f} ({values.std():.4f}) {norm.mean:7.4f} ({norm.sd:.4f}) "
            f"{(values.mean() - norm.mean) / norm.sd:5.1f} sd  {norm.where}"
        )
    for sex, norm in _STATURE_M.items():
        values = np.array(
            [p.stature_m for p in puppets if (pool.model.femininity[p.adult] > 0.5) == (sex == "women")]
        )
        yield (
            f"{'stature of ' + sex + ', m':20} {values.mean():7.3f} ({values.std():5.3f})  {norm.mean:7.3f} "
            f"({norm.sd:5.3f})  {(values.mean() - norm.mean) / norm.sd:5.1f} sd  {norm.where}"
        )


def _residual_table(pool: PuppetPool, puppets: list[Puppet], rng: np.random.Generator) -> Iterator[str]:
    library = MotionLibrary(pool.skeleton)
    rows = []
    for puppet in puppets:
        _, q = library.sample_pose(rng, puppet.scale_factors)
        rows.append(centre_residuals_m(puppet, q))
    yield f"{'skin to skeleton, mm':20} {'median':>7} {'p95':>7} {'worst':>7}"
    everything = np.array([list(row.values()) for row in rows]) * 1e3
    stems = [stem_of(name) for name in rows[0]]
    for stem in [*dict.fromkeys(stems), "all"]:
        values = everything[:, [stem in (s, "all") for s in stems]]
        yield f"{stem:20} {np.median(values):7.2f} {np.percentile(values, 95):7.2f} {values.max():7.2f}"


def main(arguments: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m train.bodies.report", description=__doc__)
    parser.add_argument("--adults", type=int, default=500, help="bodies to look at")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bodies", type=Path, default=None, help="exported bodies")
    options = parser.parse_args(arguments)
    pool = PuppetPool(path=options.bodies)
    rng = np.random.default_rng(options.seed)
    train, _ = split_adults(pool.model)
    chosen = rng.choice(len(train), size=min(options.adults, len(train)), replace=False)
    puppets = [pool.puppet(int(adult)) for adult in chosen]
    for table in (
        _standing_table(pool, puppets),
        _proportion_table(pool, puppets),
        _residual_table(pool, puppets, rng),
    ):
        print("\n".join(table), end="\n\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
