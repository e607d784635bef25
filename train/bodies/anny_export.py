"""Asks Anny for many adults and condenses them: the only module that imports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from train.bodies.bodies import BodyModel
from train.errors import TrainError

if TYPE_CHECKING:
    import torch

_SEED = 20261
_AGE_RANGE_YEARS = (20.0, 70.0)
_BATCH = 32
# Anny's axes are X left, Y back, Z up.
_R_OPENSIM_ANNY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])


class _TwoSexes:
    """Most bodies are clearly male or female; Anny's own default is uniform in between."""

    def sample(self, shape: tuple[int, ...]) -> torch.Tensor:
        import torch

        inner = 0.35 * torch.rand(shape, dtype=torch.float64) ** 1.5
        return torch.where(torch.rand(shape) < 0.5, inner, 1.0 - inner)


def export_body_model(n_adults: int, n_components: int) -> BodyModel:
    """Sample adults and keep their principal components.

    Args:
        n_adults: Bodies to sample.
        n_components: Directions to keep.

    Raises:
        TrainError: Anny is not installed.
    """
    try:
        import anny
        import torch
        from anny.shape_distribution import SimpleShapeDistribution
    except ImportError as error:
        raise TrainError(
            f"bodies need Anny ({error}); install it with: pip install 'kinecast[train]'"
        ) from error

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(_SEED)
        source = anny.Anny(phenotypes="all").to(dtype=torch.float64)
        youngest, oldest = torch.tensor(_AGE_RANGE_YEARS, dtype=torch.float64)
        ages = torch.distributions.Uniform(youngest, oldest)
        age, phenotypes = SimpleShapeDistribution(source, ages, _TwoSexes()).sample(n_adults)
        points = np.concatenate(
            [
                _rest_points(source, {k: v[i : i + _BATCH] for k, v in phenotypes.items()})
                for i in range(0, n_adults, _BATCH)
            ]
        )
    mean, components, scores = principal_components(points, n_components)
    return BodyModel(
        mean=mean,
        components=components,
        scores=scores,
        age_years=age.numpy().astype(np.float32),
        femininity=phenotypes["gender"].numpy().astype(np.float32),
        faces=source.faces.numpy().astype(np.int32),
        uv=source.texture_coordinates.numpy().astype(np.float32),
        face_uv=source.face_texture_coordinate_indices.numpy().astype(np.int32),
        bone_names=np.array(source.bone_labels),
        bone_index=source.vertex_bone_indices.numpy().astype(np.int32),
        bone_weight=source.vertex_bone_weights.numpy().astype(np.float32),
    )


def _rest_points(source: Any, phenotypes: dict[str, torch.Tensor]) -> NDArray[np.float32]:
    """Vertices and bone heads of a batch, in OpenSim's axes, feet on the floor."""
    import torch

    n = len(next(iter(phenotypes.values())))
    still = torch.eye(4, dtype=torch.float64).expand(n, source.bone_count, 4, 4)
    out = source(pose_parameters=still, phenotype_kwargs=phenotypes)
    vertices = out["rest_vertices"].numpy() @ _R_OPENSIM_ANNY.T
    heads = out["rest_bone_heads"].numpy() @ _R_OPENSIM_ANNY.T
    points = np.concatenate([vertices, heads], axis=1)
    points[..., 1] -= vertices[..., 1].min(axis=1, keepdims=True)
    return points.astype(np.float32)


def principal_components(
    points: NDArray[np.float32], n_components: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Mean, orthonormal directions and scores of a set of shapes.

    Args:
        points: Shape: (n, n_points, 3).
        n_components: Number of directions, at most n.

    Returns:
        Mean, directions (n_components, n_points, 3) and scores (n, n_components).
    """
    n, shape = len(points), points.shape[1:]
    flat = points.reshape(n, -1)
    mean = flat.mean(axis=0, dtype=np.float64)
    flat = flat - mean.astype(np.float32)
    # The Gram matrix is small where the points are many.
    gram = flat.astype(np.float32) @ flat.T
    values, vectors = np.linalg.eigh(gram.astype(np.float64))
    order = np.argsort(values)[::-1][:n_components]
    directions = vectors[:, order].T @ flat / np.sqrt(values[order])[:, None]
    scores = flat @ directions.T
    return (
        mean.reshape(shape).astype(np.float32),
        directions.reshape(-1, *shape).astype(np.float32),
        scores.astype(np.float32),
    )
