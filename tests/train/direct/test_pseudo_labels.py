"""Recordings become images whose labels are those of the recording, trusted as far as it trusted itself."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calib.camera import CameraCalibration  # noqa: E402
from calib.camera_file import save_camera  # noqa: E402
from calib.kinematics import marker_positions  # noqa: E402
from calib.skeleton import load_skeleton  # noqa: E402
from calib.tables.trc import MarkerTable, write_trc  # noqa: E402
from realtime import cli  # noqa: E402
from train.direct.augment import Augmentation  # noqa: E402
from train.direct.examples import DirectExamples, collate  # noqa: E402
from train.direct.layout import DirectLayout  # noqa: E402
from train.direct.pseudo_labels import label_recording, read_recording  # noqa: E402
from train.direct.sources import ShardPictures  # noqa: E402
from train.errors import TrainError  # noqa: E402
from train.synth.labels import EstimatedLabels  # noqa: E402

SKELETON = load_skeleton()
LAYOUT = DirectLayout.of(SKELETON)
CAMERA = CameraCalibration.assumed(320, 240)
N_FRAMES, SCALE = 20, 1.1


def poses() -> np.ndarray:
    q = np.tile(SKELETON.q_default, (N_FRAMES, 1))
    q[:, SKELETON.coordinate_index("pelvis_tx")] = -3.5
    q[:, SKELETON.coordinate_index("pelvis_ty")] = 0.0
    q[:, SKELETON.coordinate_index("knee_angle_r")] = np.linspace(0.0, 1.0, N_FRAMES)
    return q


def write_recording(folder: Path) -> Path:
    """As `kinecast replay` writes it: frame 3 lost, frames from 12 on hardly trusted, the left arm never."""
    folder.mkdir()
    video = folder / "seen.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 30.0, (320, 240))
    for k in range(N_FRAMES):
        writer.write(np.full((240, 320, 3), 10 * k, np.uint8))
    writer.release()
    q, names, angle = poses(), SKELETON.coordinate_names, SKELETON.is_rotational
    header = [f"{n}_{'deg' if a else 'm'}" for n, a in zip(names, angle, strict=True)]
    lines = [",".join(["frame_id", "time_s", "status", *header, *(f"{n}_confidence" for n in names)])]
    for k in range(N_FRAMES):
        confidence = np.where([n.startswith("elbow_flex_l") for n in names], 0.0, 0.95 if k < 12 else 0.2)
        values = np.where(angle, np.degrees(q[k]), q[k])
        status = "lost" if k == 3 else "tracking"
        lines.append(",".join([str(k), f"{k / 30:.6f}", status, *map(str, values), *map(str, confidence)]))
    (folder / "angles.csv").write_text("\n".join(lines) + "\n")
    (folder / "report.json").write_text(json.dumps({"source": video.name, "skeleton_sha": SKELETON.sha}))
    save_camera(folder / "camera.json", CAMERA)
    factors = np.full((SKELETON.n_bodies, 3), SCALE)
    positions_m = np.stack([marker_positions(SKELETON, row, factors) for row in q])
    write_trc(
        folder / "markers.trc", MarkerTable(SKELETON.marker_names, np.arange(N_FRAMES) / 30, positions_m)
    )
    return folder


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> ShardPictures:
    recording = write_recording(tmp_path / "recording")
    out = tmp_path / "set"
    assert cli.main(["train", "pseudo-labels", str(recording), "--out", str(out), "--every", "2"]) == 0
    assert "6 images of 1 recordings" in capsys.readouterr().out
    assert cli.main(["train", "pseudo-labels", str(recording), "--out", str(out)]) == 2
    assert "holds a set already" in capsys.readouterr().err
    return ShardPictures([out], SKELETON)


def test_labels_are_the_recordings(made: ShardPictures) -> None:
    q = poses()
    assert len(made) == 6
    for index, frame in enumerate(range(0, 12, 2)):
        picture = made.picture(index)
        np.testing.assert_allclose(picture.labels.q, q[frame], atol=1e-6)
        assert isinstance(picture.labels, EstimatedLabels) and picture.labels.q_weight is not None
        assert picture.labels.q_weight[SKELETON.coordinate_index("elbow_flex_l")] == 0.0
        assert picture.labels.q_weight[SKELETON.coordinate_index("knee_angle_r")] == 1.0
        assert abs(int(np.median(picture.image)) - 10 * frame) < 6
        feet = picture.labels.scale_factors[SKELETON.body_index("calcn_r")]
        np.testing.assert_allclose(feet, SCALE, rtol=1e-3)
        # Joints in the stored image are those of the camera's, through the stored similarity.
        A = picture.labels.camera.crop_from_frame
        in_frame = CAMERA.project(picture.labels.centres_m.astype(np.float64))
        np.testing.assert_allclose(picture.labels.centres_px, in_frame @ A[:, :2].T + A[:, 2], atol=0.05)


def test_they_join_the_others_in_their_share(made: ShardPictures) -> None:
    assert len(made) == 6

    class Nobody:
        identity, is_random_access = "", True

        def __len__(self) -> int:
            return 1

        def picture(self, index: int) -> object:
            raise LookupError

    examples = DirectExamples(Nobody(), LAYOUT, 64, 0, Augmentation(), real=made, real_share=0.3)  # type: ignore[arg-type]
    batch, missed = [], 0
    for draw in range(200):
        try:
            batch.append(examples[(draw, 0)])
        except LookupError:
            missed += 1
    assert 0.6 < missed / 200 < 0.8
    stacked = collate(batch)
    assert bool((stacked.present == 1.0).all())  # nobody knows where a real image is empty
    assert float(stacked.q_weight.min()) == 0.0


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("angles.csv", "no finished recording"),
        ("seen.avi", "its video seen.avi is not beside it; .*--videos DIR"),
        ("report.json", "no finished recording"),
    ],
)
def test_what_is_missing_is_named(damage: str, complaint: str, tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "recording")
    (folder / damage).unlink()
    with pytest.raises(TrainError, match=complaint):
        read_recording(folder, SKELETON)


def test_recordings_of_another_skeleton_are_refused(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "recording")
    report = json.loads((folder / "report.json").read_text()) | {"skeleton_sha": "0"}
    (folder / "report.json").write_text(json.dumps(report))
    with pytest.raises(TrainError, match="another skeleton"):
        read_recording(folder, SKELETON)


def as_lossless(folder: Path, first: int) -> None:
    """Keep the video as `--record-video` does, with numbers from another than 0."""
    (folder / "seen.avi").rename(folder / "video.mkv")
    rows = "".join(f"{first + k},{k}\n" for k in range(N_FRAMES))
    (folder / "video.csv").write_text("frame_id,time_ns\n" + rows)


def grey_levels(folder: Path, *videos: Path) -> list[int]:
    """Of the frames that are labelled: frame k has 10 k."""
    recording = read_recording(folder, SKELETON, videos)
    return [round(int(np.median(p.decoded("").image)), -1) for p in label_recording(recording, SKELETON, 4)]


@pytest.mark.parametrize("place", ["recording", ".", "films", "films/deep/deeper"])
def test_the_video_is_found_by_its_name(place: str, tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "recording")
    there = tmp_path / place / "seen.avi"
    there.parent.mkdir(parents=True, exist_ok=True)
    (folder / "seen.avi").rename(there)
    videos = (tmp_path / "films",) if place.startswith("films") else ()
    assert grey_levels(folder, *videos) == [0, 40, 80]


def test_a_recordings_own_video_has_its_own_numbers(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "recording")
    as_lossless(folder, first=2)
    assert grey_levels(folder) == [20, 60]  # frames 4 and 8; frame 0 is not in it


def test_videos_of_one_name_and_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "recording")
    for name in ("a", "b"):
        (tmp_path / "films" / name).mkdir(parents=True)
        (tmp_path / "films" / name / "seen.avi").write_bytes(b"")
    with pytest.raises(TrainError, match="have the name of its video"):
        grey_levels(folder, tmp_path / "films")
    with pytest.raises(TrainError, match="not a video that can be read"):
        grey_levels(folder, tmp_path / "films" / "a")
    with pytest.raises(TrainError, match="no folder; name one with videos"):
        grey_levels(folder, tmp_path / "nowhere")
    save_camera(folder / "camera.json", CameraCalibration.assumed(640, 480))
    with pytest.raises(TrainError, match="320x240, but the recording is of 640x480"):
        grey_levels(folder)
