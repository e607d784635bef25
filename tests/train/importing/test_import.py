"""Other people's data become training data: rendered walks in their layouts, against the truth."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calib.skeleton import load_skeleton  # noqa: E402
from realtime.cli import main  # noqa: E402
from tests.support.others_data import FOV_DEG, LAYOUTS, LEAD, FilmedWalk, film_past  # noqa: E402
from tests.support.published import published  # noqa: E402
from train.blazepose.data import LiftData  # noqa: E402
from train.bodies.puppet import PuppetPool  # noqa: E402
from train.direct.examples import DirectExamples  # noqa: E402
from train.direct.layout import DirectLayout  # noqa: E402
from train.direct.sources import ShardPictures  # noqa: E402
from train.errors import TrainError  # noqa: E402
from train.importing.coordinates import matching_signs, read_motion  # noqa: E402
from train.lift.fit import lift_loss, set_normalisation  # noqa: E402
from train.lift.network import LiftModel, make_pairs  # noqa: E402
from train.synth.labels import EstimatedLabels  # noqa: E402

SKELETON = load_skeleton()
LACKING = {"opencap": ("neck_",), "bmlmovi": ("neck_", "arm_", "wrist_"), "odah": ("neck_",)}
"""Coordinates that the made data of each layout lack."""
EVERY = 2


@pytest.fixture(scope="module")
def walk(pool: PuppetPool) -> FilmedWalk:
    published("pose_landmark_full"), published("pose_detection")
    return film_past(pool)


@pytest.fixture(scope="module", params=list(LAYOUTS))
def imported(
    request: pytest.FixtureRequest, walk: FilmedWalk, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Name of a layout, and the set made of it."""
    folder = tmp_path_factory.mktemp(request.param)
    made, out = LAYOUTS[request.param](walk, folder), folder / "set"
    words = ["train", "import", request.param, str(made), "--out", str(out), "--every", str(EVERY)]
    assert main(words) == 0
    return request.param, out


def truth_at(walk: FilmedWalk, layout: str, t_s: float) -> int:
    fps = 60.0 if layout == "odah" else 30.0
    return round(t_s * fps) - (LEAD if layout == "bmlmovi" else 0)


def test_stated_coordinates_are_the_truth_and_others_have_no_weight(
    imported: tuple[str, Path], walk: FilmedWalk
) -> None:
    layout, out = imported
    source = ShardPictures([out], SKELETON)
    assert len(source) >= 8
    lacks = np.array([name.startswith(LACKING[layout]) for name in SKELETON.coordinate_names])
    joints = ~(lacks | np.char.startswith(SKELETON.coordinate_names, "pelvis_") | SKELETON.is_dependent)
    for k in range(len(source)):
        labels = source.picture(k).labels
        assert isinstance(labels, EstimatedLabels) and labels.q_weight is not None
        truth = walk.q[truth_at(walk, layout, labels.t_s)]
        assert np.allclose(labels.q[joints], truth[joints], atol=2e-3)
        assert (
            not labels.q_weight[lacks].any() and (labels.q_weight[joints & ~SKELETON.is_locked] == 1.0).all()
        )
        tilt = [SKELETON.coordinate_index(f"pelvis_{word}") for word in ("tilt", "list", "rotation")]
        assert np.allclose(labels.q[tilt], truth[tilt], atol=2e-3)


def test_the_camera_is_found(imported: tuple[str, Path], walk: FilmedWalk) -> None:
    """By landmarks that BlazePose sees, which lie some centimetres off the joints."""
    layout, out = imported
    source = ShardPictures([out], SKELETON)
    labels = source.picture(len(source) // 2).labels
    T, truth = labels.camera.T_ground_cam, walk.camera.T_ground_cam
    turn = np.arccos(np.clip(0.5 * (np.trace(T[:3, :3].T @ truth[:3, :3]) - 1.0), -1.0, 1.0))
    assert np.degrees(turn) < 8.0
    focal = 0.5 * labels.camera.width_px / np.tan(np.radians(0.5 * FOV_DEG))
    assert 0.75 < labels.camera.fx / focal < 1.35
    person = walk.q[truth_at(walk, layout, labels.t_s)]
    body = SKELETON.body_index("femur_r")
    in_frame = (labels.centres_px[body] - labels.camera.crop_from_frame[:, 2]) @ np.linalg.inv(
        labels.camera.crop_from_frame[:, :2]
    ).T
    from calib.kinematics import joint_centres

    seen = walk.camera.project(joint_centres(SKELETON, person, walk.scale_factors))[body]
    assert np.linalg.norm(in_frame - seen) < 12.0  # of 320


def test_sizes_are_those_of_the_person(imported: tuple[str, Path], walk: FilmedWalk) -> None:
    labels = ShardPictures([imported[1]], SKELETON).picture(0).labels
    for name in ("femur_r", "tibia_l", "pelvis"):
        k = SKELETON.body_index(name)
        axis = 2 if name == "pelvis" else 1
        assert labels.scale_factors[k, axis] == pytest.approx(walk.scale_factors[k, axis], rel=0.03)


def test_the_set_trains_lifter_and_direct_network(imported: tuple[str, Path]) -> None:
    layout, out = imported
    data = LiftData.load(out)
    lacks = np.array([name.startswith(LACKING[layout]) for name in SKELETON.coordinate_names])
    assert np.isnan(data.q[:, lacks]).all() and np.isfinite(data.landmarks_px).all()
    pairs = make_pairs(data, SKELETON, None)
    model = LiftModel(pairs.q.shape[1], pairs.scale.shape[1], width=16)
    set_normalisation(model, pairs)
    loss = lift_loss(model, pairs.features, pairs.q, pairs.scale)
    loss.backward()
    assert torch.isfinite(loss) and all(
        torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None
    )
    layout_of = DirectLayout.of(SKELETON)
    example = DirectExamples(ShardPictures([out], SKELETON), layout_of, 64)[0]
    assert all(np.isfinite(np.asarray(value, np.float64)).all() for value in example.values())


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _degrees_without_saying(made: Path) -> None:
    spoil(made / "OpenSimData/Kinematics/walk.mot", "inDegrees=yes", "inDegrees=no")


def _no_knee(made: Path) -> None:
    spoil(made / "OpenSimData/Kinematics/walk.mot", "knee_angle_r", "knie_r")


def _other_times(made: Path) -> None:
    path = made / "OpenSimData/Kinematics/walk.mot"
    head, rows = path.read_text().split("time\t", 1)
    names, *rows = rows.splitlines()
    turned = [row.split("\t") for row in rows]
    hips = [
        k
        for k, name in enumerate(("time", *names.split("\t")))
        if name.startswith(("hip_flexion", "lumbar_e"))
    ]
    for row in turned:
        for k in hips:
            row[k] = "100"
    path.write_text(f"{head}time\t{names}\n" + "\n".join("\t".join(row) for row in turned) + "\n")


def _model_in_mm(made: Path) -> None:
    from calib.scaling import write_scaled_osim
    from calib.skeleton import default_skeleton_path

    path = made / "OpenSimData/Model/LaiUhlrich2022_scaled.osim"
    write_scaled_osim(default_skeleton_path(), np.full((SKELETON.n_bodies, 3), 1000.0), path)


def _two_models(made: Path) -> None:
    folder = made / "OpenSimData/Model"
    (folder / "other_scaled.osim").write_bytes((folder / "LaiUhlrich2022_scaled.osim").read_bytes())


def _no_flags(made: Path) -> None:
    (made / "V3D/F_v3d_Subject_1.mat").unlink()


def _wrong_flags(made: Path) -> None:
    (made / "V3D/F_v3d_Subject_1.mat").write_bytes(b"MATLAB 5.0")


def _many_movements(made: Path) -> None:
    folder = made / "BMLmovi/Subject_1_F_MoSh/IKResults"
    (folder / "Subject_1_F_1_poses.mot").rename(folder / "Subject_1_F_9_poses.mot")


def _copied(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)


def _two_of_one_number(made: Path) -> None:
    _copied(made / "BMLmovi/Subject_1_F_MoSh", made / "others/Subject_1_M_MoSh")


def _two_videos(made: Path) -> None:
    _copied(made / "videos/F_PG1_Subject_1_L.avi", made / "copy/F_PG1_Subject_1_L.avi")


def _two_flags(made: Path) -> None:
    _copied(made / "V3D/F_v3d_Subject_1.mat", made / "copy/F_v3d_Subject_1.mat")


def _one_movement_twice(made: Path) -> None:
    folder = made / "BMLmovi/Subject_1_F_MoSh/IKResults"
    _copied(folder / "Subject_1_F_1_poses.mot", folder / "Subject_1_F_1_again.mot")


def _two_roots(made: Path) -> None:
    (made / "backup" / "images").mkdir(parents=True)


def _no_video(made: Path) -> None:
    (made / "Videos/Cam0/InputMedia/walk/walk_sync.mp4").write_bytes(b"moov")


def _a_bomb(made: Path) -> None:
    path = made / "OpenSimData/Model/LaiUhlrich2022_scaled.osim"
    entities = '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    path.write_text(f"<?xml version='1.0'?><!DOCTYPE x [{entities}]><OpenSimDocument>&b;</OpenSimDocument>")


def _lines_cut(made: Path) -> None:
    path = made / "OpenSimData/Kinematics/walk.mot"
    path.write_text(path.read_text()[:-40])


def _arrays(made: Path, part: str) -> list[Path]:
    return sorted((made / part / "anna_walk_2").glob("*.npy"))


def _coords_in_degrees(made: Path) -> None:
    for path in _arrays(made, "coords"):
        np.save(path, np.degrees(np.load(path)))


def _points_in_cm(made: Path) -> None:
    for path in _arrays(made, "points"):
        np.save(path, 100.0 * np.load(path))


def _fewer_columns(made: Path) -> None:
    path = _arrays(made, "coords")[0]
    np.save(path, np.load(path)[:37])


def _a_pickle(made: Path) -> None:
    np.save(_arrays(made, "coords")[0], np.array({"run": "me"}, dtype=object), allow_pickle=True)


def _no_points(made: Path) -> None:
    (made / "points").rename(made / "pts")


@pytest.mark.parametrize(
    ("layout", "change", "said"),
    [
        ("opencap", _degrees_without_saying, "inDegrees=no; accepted: up to 3.5: correct the header"),
        ("opencap", _no_knee, "walk.mot: no column knee_angle_r"),
        ("opencap", _other_times, "images and coordinates do not belong together"),
        ("opencap", _model_in_mm, "m tall; accepted: a person in metres"),
        ("opencap", _two_models, "2 scaled models; accepted: one"),
        ("opencap", _no_video, "walk_sync.mp4: not a video that can be read"),
        ("opencap", _a_bomb, "LaiUhlrich2022_scaled.osim: "),
        ("opencap", _lines_cut, "columns; accepted: "),
        ("bmlmovi", _two_of_one_number, "are both of subject 1; accepted: one model of each"),
        ("bmlmovi", _two_videos, "Subject_1_PG1: 2 videos of this person and camera"),
        ("bmlmovi", _two_flags, "1 more F_v3d_Subject_1.mat"),
        ("bmlmovi", _one_movement_twice, "is of movement 1, too"),
        ("bmlmovi", _no_flags, "no F_v3d_Subject_1.mat, which says where movements begin"),
        ("bmlmovi", _wrong_flags, "no Subject_1_F.move.flags30"),
        ("bmlmovi", _many_movements, "movement 9, but F_v3d_Subject_1.mat has 1"),
        ("odah", _coords_in_degrees, "are these degrees?"),
        ("odah", _points_in_cm, "among the points; accepted: a person in metres"),
        ("odah", _fewer_columns, "an array of shape (37,); accepted: (39,)"),
        ("odah", _a_pickle, "not an array of numbers"),
        ("odah", _no_points, "no folder points"),
        ("odah", _two_roots, "both have images; import them one by one"),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    walk: FilmedWalk, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    layout: str, change: Callable[[Path], None], said: str,
) -> None:  # fmt: skip
    made = LAYOUTS[layout](walk, tmp_path)
    change(made)
    words = ["train", "import", layout, str(made), "--out", str(tmp_path / "set"), "--every", "6"]
    assert main(words) == 2
    complained = capsys.readouterr().err
    assert said in complained and complained.count("\n") == 1
    assert not (tmp_path / "set" / "set.json").exists()


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_foreign_folders_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], layout: str) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.avi").write_bytes(b"sea")
    assert main(["train", "import", layout, str(tmp_path), "--out", str(tmp_path / "set")]) == 2
    assert "accepted: " in capsys.readouterr().err


def test_signs_of_published_models(shared_data: Path) -> None:
    models = shared_data / "models"
    d3ke = matching_signs(load_skeleton(models / "D3KE_full_body_wo_hands.osim"), SKELETON)
    assert d3ke["knee_angle_r"] == d3ke["knee_angle_l"] == -1.0  # flexion is negative there
    assert d3ke["hip_flexion_r"] == d3ke["hip_adduction_l"] == d3ke["ankle_angle_r"] == 1.0
    rajagopal = matching_signs(load_skeleton(models / "Rajagopal2016.osim"), SKELETON)
    assert len(rajagopal) > 25 and set(rajagopal.values()) == {1.0}


def test_a_motion_of_another_model_is_refused(walk: FilmedWalk, tmp_path: Path, shared_data: Path) -> None:
    made = LAYOUTS["opencap"](walk, tmp_path)
    with pytest.raises(TrainError, match=r"arm26\.osim"):
        read_motion(shared_data / "models/arm26.osim", made / "OpenSimData/Kinematics/walk.mot", SKELETON)
