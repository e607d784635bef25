"""The skeleton's order, look-ups, flags and content hash."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from calib.errors import SkeletonError
from calib.skeleton import Skeleton, load_skeleton
from tests.support.osim_text import FREE_ROOT, document, joint, small_model


@pytest.fixture
def small(tmp_path: Path) -> Skeleton:
    return load(tmp_path, small_model())


def load(folder: Path, text: str) -> Skeleton:
    path = folder / "model.osim"
    path.write_text(text)
    return load_skeleton(path)


def test_parents_come_before_children_whatever_the_files_order(tmp_path: Path) -> None:
    pins = [
        joint("PinJoint", f"j_{child}", parent, child, [f"q_{child}"]) for parent, child in ("bc", "ab", "ad")
    ]
    skeleton = load(tmp_path, document("dcba", [*pins, FREE_ROOT]))
    assert skeleton.body_names == ("a", "d", "b", "c")
    assert skeleton.joint_names == ("root", "j_d", "j_b", "j_c")
    assert skeleton.tree.parent.tolist() == [-1, 0, 0, 2]
    # Coordinates keep the order of the joints in the file.
    assert skeleton.coordinate_names[:3] == ("q_c", "q_b", "q_d")


def test_sizes_and_flags_agree_with_the_names(small: Skeleton) -> None:
    assert (small.n_bodies, small.n_q, small.n_markers) == (4, 10, 5)
    named = dict(zip(small.coordinate_names, range(small.n_q), strict=True))
    assert np.flatnonzero(small.is_dependent).tolist() == [named["slide"]]
    assert np.flatnonzero(small.is_locked).tolist() == [named["swing"]]
    assert np.flatnonzero(small.is_clamped).tolist() == [named["bend"]]
    lengths = {"tx", "ty", "tz", "slide"}
    assert {n for n in named if not small.is_rotational[named[n]]} == lengths
    assert small.q_default[named["swing"]] == 0.3
    assert (small.q_lower[named["bend"]], small.q_upper[named["bend"]]) == (-1.5, 0.8)


def test_look_ups_find_each_name(small: Skeleton) -> None:
    assert [small.coordinate_index(n) for n in small.coordinate_names] == list(range(small.n_q))
    assert [small.body_index(n) for n in small.body_names] == list(range(small.n_bodies))
    assert [small.marker_index(n) for n in small.marker_names] == list(range(small.n_markers))


@pytest.mark.parametrize("what", ["coordinate", "body", "marker"])
def test_look_ups_list_what_exists(what: str, small: Skeleton) -> None:
    names = {"coordinate": small.coordinate_names, "body": small.body_names, "marker": small.marker_names}[
        what
    ]
    message = f"skeleton 'small' has no {what} 'tail'; it has: {', '.join(names)}"
    with pytest.raises(SkeletonError, match=re.escape(message)):
        getattr(small, f"{what}_index")("tail")


def test_arrays_cannot_be_written(small: Skeleton) -> None:
    for array in (small.q_default, small.is_locked, *small.tree[:-1], *small.tree.functions):
        assert not array.flags.writeable


def test_hash_ignores_how_the_file_is_written(small: Skeleton, tmp_path: Path) -> None:
    text = small_model()
    spaced = re.sub(r"><", "> \n\t<", text).replace("0.8</range>", "  8.0e-1 </range>")
    commented = text.replace("<BodySet", "<!-- a note --><BodySet")
    meshed = text.replace("<mass>1</mass>", "<mass>70</mass><attached_geometry/>")
    renamed = text.replace('Model name="small"', 'Model name="other"')
    signed = text.replace(" 0.0 0.2<", " -0.0 0.2<")
    for variant in (spaced, commented, meshed, renamed, signed):
        assert variant != text
        assert load(tmp_path, variant).sha == small.sha


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        (r"([\">])twist\b", r"\1spin"),
        ("_names>bend<", "_names>swing<"),
        ("<clamped>true", "<clamped>false"),
        ("0.8</range>", "0.81</range>"),
        ("0.05 -0.1 0.02", "0.05 -0.1 0.0200001"),
        ("SimmSpline", "PiecewiseLinearFunction"),
        ("0.1 0.0 0.2</location>", "0.1 0.0 0.3</location>"),
        ("m_c", "m_d"),
        ("isEnforced>true", "isEnforced>false"),
        ("<scale_factor>1.5", "<scale_factor>1.6"),
    ],
)
def test_hash_tells_contents_apart(pattern: str, new: str, small: Skeleton, tmp_path: Path) -> None:
    changed, n_changes = re.subn(pattern, new, small_model())
    assert n_changes > 0
    assert load(tmp_path, changed).sha != small.sha


def test_hash_is_the_same_in_another_process() -> None:
    command = "from calib.skeleton import load_skeleton; print(load_skeleton().sha)"
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    repository = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", command],
        env=environment,
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == load_skeleton().sha


def test_default_skeleton_has_the_coordinates_that_people_know() -> None:
    skeleton = load_skeleton()
    assert (skeleton.n_bodies, skeleton.n_q) == (22, 40)
    for name in (
        "pelvis_tilt",
        "hip_flexion_r",
        "knee_angle_l",
        "lumbar_extension",
        "neck_flexion",
        "wrist_dev_l",
    ):
        assert name in skeleton.coordinate_names
    assert {n for n, r in zip(skeleton.coordinate_names, skeleton.is_rotational, strict=True) if not r} == {
        "pelvis_tx", "pelvis_ty", "pelvis_tz"
    }  # fmt: skip
