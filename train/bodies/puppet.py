"""Adults ready to be posed: mesh, skeleton inside it, and the weights between them."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.kinematics import body_transforms, joint_centres
from calib.skeleton import Skeleton, load_skeleton
from train.bodies.adults import default_body_model_path, load_body_model
from train.bodies.bodies import BodyModel, BodyShape
from train.bodies.fit import BodyFitter
from train.bodies.skinning import Rig, build_rig, node_transforms, skin
from train.errors import TrainError
from train.files import made_once, save_arrays

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Puppet:
    """One adult who moves with the skeleton."""

    skeleton: Skeleton
    rig: Rig
    model: BodyModel
    shape: BodyShape
    adult: int
    stature_m: float
    rest_vertices_m: NDArray[np.float32]
    """Shape: (n_vertices, 3)."""
    q_rest: NDArray[np.float64]
    """Coordinates of the resting mesh, in rad and m. Shape: (n_q,)."""
    scale_factors: NDArray[np.float64]
    """Shape: (n_bodies, 3)."""
    T_rest: NDArray[np.float64]
    """T_ground_body at rest. Shape: (n_bodies, 4, 4)."""
    centres_rest_m: NDArray[np.float64]
    """Joint centres at rest. Shape: (n_bodies, 3)."""

    def body_transforms(self, q: NDArray[np.float64]) -> NDArray[np.float64]:
        """T_ground_body in a pose. Shape: (n_bodies, 4, 4)."""
        return body_transforms(self.skeleton, q, self.scale_factors)

    def node_transforms(self, q: NDArray[np.float64]) -> NDArray[np.float32]:
        """Motion of every node of the rig since rest. Shape: (n_nodes, 3, 4)."""
        out = np.empty((len(self.rig.nodes), 3, 4), dtype=np.float32)
        node_transforms(
            self.rig.body_a, self.rig.body_b, self.rig.share_b,
            self.body_transforms(q), self.T_rest,
            joint_centres(self.skeleton, q, self.scale_factors), self.centres_rest_m, out,
        )  # fmt: skip
        return out

    def vertices(self, q: NDArray[np.float64]) -> NDArray[np.float32]:
        """The mesh in a pose, in m. Shape: (n_vertices, 3)."""
        return self.deform(self.rest_vertices_m, self.rig.node_index, self.rig.node_weight, q)

    def deform(
        self,
        rest_m: NDArray[np.float32],
        node_index: NDArray[np.int32],
        node_weight: NDArray[np.float32],
        q: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """Any other resting points in a pose, e.g. a garment with weights of its own. Shape: as `rest_m`."""
        out = np.empty_like(rest_m)
        skin(rest_m, node_index, node_weight, self.node_transforms(q), out)
        return out


class PuppetPool:
    """All adults of a body model, fitted once with one skeleton."""

    def __init__(self, skeleton: Skeleton | None = None, path: Path | None = None) -> None:
        """Load the bodies, and fit the skeleton to them where that was not done before.

        Args:
            skeleton: The project's own if left out.
            path: The body model's file; the user's cache if left out.

        Raises:
            TrainError: the bodies cannot be exported or fitted.
        """
        self.skeleton = load_skeleton() if skeleton is None else skeleton
        path = default_body_model_path() if path is None else path
        self.model = load_body_model(path)
        names = [str(name) for name in self.model.bone_names]
        self.rig = build_rig(self.skeleton, names, self.model.bone_index, self.model.bone_weight)
        self._q_rest, self._scale_factors = _load_fits(self.skeleton, self.model, path)

    def __len__(self) -> int:
        return self.model.n_adults

    def scale_factors(self, adult: int) -> NDArray[np.float64]:
        """Scale factors of the skeleton inside one adult. Shape: (n_bodies, 3)."""
        return self._scale_factors[adult]

    def puppet(self, adult: int) -> Puppet:
        """One adult.

        Raises:
            TrainError: there is no such adult.
        """
        shape = self.model.shape(adult)
        q_rest, scale = self._q_rest[adult], self._scale_factors[adult]
        return Puppet(
            skeleton=self.skeleton,
            rig=self.rig,
            model=self.model,
            shape=shape,
            adult=adult,
            stature_m=shape.stature_m,
            rest_vertices_m=shape.vertices_m.astype(np.float32),
            q_rest=q_rest,
            scale_factors=scale,
            T_rest=body_transforms(self.skeleton, q_rest, scale),
            centres_rest_m=joint_centres(self.skeleton, q_rest, scale),
        )


def _fit_code_hash() -> str:
    """Changes whenever the fit's own source does, so that no stale fit is used."""
    names = ("fit", "fit_targets", "surface_landmarks")
    sources = [Path(__file__).with_name(f"{name}.py") for name in names]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _fits_key(skeleton: Skeleton, model: BodyModel) -> str:
    """Tells fits of other bodies, skeletons and code apart."""
    # One whole shape stands for everything that makes shapes of the scores. Its last bits change with the
    # number of threads, which is no reason to fit 1,536 adults again.
    shape_um = np.rint(1e6 * model.shape(0).vertices_m).astype(np.int64)
    shapes = model.scores.tobytes() + shape_um.tobytes()
    return hashlib.sha256((skeleton.sha + _fit_code_hash()).encode() + shapes).hexdigest()[:16]


def _load_fits(
    skeleton: Skeleton, model: BodyModel, model_path: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Resting coordinates and scale factors of all adults, from the cache or anew."""
    path = model_path.with_name(f"fits_{_fits_key(skeleton, model)}.npz")

    def fit() -> None:
        _log.info("fitting the skeleton to %d adults: a minute or two, once", model.n_adults)
        fitter = BodyFitter(skeleton, model)
        fits = [fitter.fit(model.shape(adult)) for adult in range(model.n_adults)]
        save_arrays(
            path,
            {
                "q_rest": np.array([fit.q_rest for fit in fits]),
                "scale_factors": np.array([fit.scale_factors for fit in fits]),
            },
        )

    made_once(path, fit)
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["q_rest"], file["scale_factors"]
    except (OSError, ValueError, KeyError) as error:
        raise TrainError(f"{path}: not a file of fits ({error}); delete it to fit anew") from error
