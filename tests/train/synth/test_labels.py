"""Labels and shards: true by OpenCV and forward kinematics, exact when read back, whole or absent on disk."""

from __future__ import annotations

import errno
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.kinematics import body_transforms, joint_centres, marker_positions
from calib.skeleton import load_skeleton
from train.bodies.puppet import PuppetPool
from train.clothing.garments import Category
from train.errors import TrainError
from train.motion.motion import Motion
from train.synth.labels import ClipLabels, Labels, decode_clip_labels, decode_labels, encode, seen_box_px
from train.synth.people import PeopleStream, Sample, filmed
from train.synth.shards import (
    CodedImage,
    LabelledClip,
    LabelledImage,
    open_shard,
    read_clips,
    read_images,
)

SIZE_PX = 96


@pytest.fixture(scope="module")
def samples(pool: PuppetPool) -> list[Sample]:
    people = PeopleStream(3, size_px=SIZE_PX, pool=pool)
    return [sample for block in range(2) for sample in people.block(block)]


@pytest.fixture(scope="module")
def labels(samples: list[Sample]) -> list[Labels]:
    return [Labels.of(sample) for sample in samples]


def assert_same(one: object, other: object) -> None:
    """Structs of arrays, equal bit for bit."""
    assert type(one) is type(other)
    for name in one.__struct_fields__:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        elif isinstance(a, msgspec.Struct):
            assert_same(a, b)
        else:
            assert a == b


def test_pixels_are_where_opencv_projects_the_points(labels: list[Labels]):
    for each in labels:
        c = each.camera
        R = c.T_ground_cam[:3, :3].T
        K = np.array([[c.fx, 0, c.cx], [0, c.fy, c.cy], [0, 0, 1.0]])
        for points_m, points_px in ((each.centres_m, each.centres_px), (each.markers_m, each.markers_px)):
            t = -R @ c.T_ground_cam[:3, 3]
            frame_px = cv2.projectPoints(points_m.astype(np.float64), cv2.Rodrigues(R)[0], t, K, None)[0][
                :, 0
            ]
            expected = cv2.transform(frame_px[None], c.crop_from_frame)[0]
            ahead = (points_m @ R.T + t)[:, 2] > 0.05
            assert np.isfinite(points_px[ahead]).all()
            np.testing.assert_allclose(points_px[ahead], expected[ahead], rtol=1e-6, atol=1e-3)


def test_forward_kinematics_of_the_stored_coordinates_gives_the_stored_bodies(labels: list[Labels]):
    skeleton = load_skeleton()
    for stored in labels:
        each = decode_labels(encode(stored))
        pose = (skeleton, each.q, each.scale_factors)
        np.testing.assert_allclose(each.T_ground_body, body_transforms(*pose), atol=1e-12)
        np.testing.assert_allclose(each.centres_m, joint_centres(*pose), atol=1e-6)
        np.testing.assert_allclose(each.markers_m, marker_positions(*pose), atol=1e-6)


def test_what_is_visible_is_in_the_picture_and_the_box_holds_the_person(labels: list[Labels]):
    seen = 0
    for each in labels:
        category = each.category
        person = ~np.isin(category, (Category.BACKGROUND, Category.FURNITURE, Category.OCCLUDER))
        left, top, right, bottom = each.box_px.astype(int)
        assert person[top:bottom, left:right].sum() == person.sum() > 0
        assert person[top].any() and person[bottom - 1].any()
        assert person[:, left].any() and person[:, right - 1].any()
        for points_px, visible in (
            (each.centres_px, each.centres_visible),
            (each.markers_px, each.markers_visible),
        ):
            assert ((points_px[visible] >= 0) & (points_px[visible] < SIZE_PX)).all()
            seen += visible.sum()
    assert seen > 20 * len(labels)


def test_nobody_in_sight_has_no_box():
    assert np.isnan(seen_box_px(np.full((4, 4), Category.OCCLUDER, np.uint8))).all()


def test_labels_read_back_bit_for_bit(samples: list[Sample], labels: list[Labels]):
    for sample, each in zip(samples, labels, strict=True):
        again = decode_labels(encode(each))
        assert_same(each, again)
        np.testing.assert_array_equal(again.category, sample.picture.category)
        np.testing.assert_array_equal(again.camera.view.matrix, sample.picture.view.matrix)


@given(st.binary(max_size=200))
def test_what_is_no_label_is_refused(data: bytes):
    for decode in (decode_labels, decode_clip_labels):
        with pytest.raises(TrainError, match="not labels"):
            decode(data)


@given(data=st.data())
def test_damaged_labels_are_labels_or_refused(labels: list[Labels], data: st.DataObject):
    code = bytearray(encode(labels[0]))
    for _ in range(data.draw(st.integers(1, 4))):
        code[data.draw(st.integers(0, len(code) - 1))] = data.draw(st.integers(0, 255))
    code = code[: data.draw(st.integers(0, len(code)))] if data.draw(st.booleans()) else code
    try:
        assert isinstance(decode_labels(bytes(code)), Labels)
    except TrainError:
        pass


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 99}, "schema 99; this kinecast reads 1"),
        ({"q": np.zeros(3, np.float32)}, "accepted: '<f8'"),
        ({"centres_visible": np.zeros(3)}, r"accepted: '\|b1'"),
    ],
)
def test_labels_of_another_kind_are_refused(labels: list[Labels], change: dict, said: str):
    with pytest.raises(TrainError, match=said):
        decode_labels(encode(msgspec.structs.replace(labels[0], **change)))


def coded(sample: Sample) -> CodedImage:
    return CodedImage.of(sample.picture.image, Labels.of(sample))


def write_images(folder: Path, samples: list[Sample]) -> Path:
    path = folder / "images-000000.tar"
    with open_shard(path) as shard:
        for k, sample in enumerate(samples):
            shard.add_image(f"{k:09d}", coded(sample))
    return path


def test_pictures_read_back_from_a_shard(tmp_path: Path, samples: list[Sample]):
    write_images(tmp_path, samples)
    pictures = list(read_images(tmp_path))
    assert [picture.key for picture in pictures] == [f"{k:09d}" for k in range(len(samples))]
    for picture, sample in zip(pictures, samples, strict=True):
        assert_same(picture.labels, Labels.of(sample))
        error = picture.image.astype(float) - sample.picture.image
        assert np.abs(error).mean() < 3.0  # JPEG


def test_clips_read_back_from_a_shard(tmp_path: Path, samples: list[Sample]):
    motion = replace(samples[0].person.motion, t_s=np.arange(3) / 30.0)
    with open_shard(tmp_path / "clips-000000.tar") as shard:
        for k in range(2):
            shard.add_clip(f"clip{k}", ClipLabels.of(motion), [coded(s) for s in samples[k : k + 3]])
    clips = list(read_clips(tmp_path))
    assert [clip.key for clip in clips] == ["clip0", "clip1"]
    for k, clip in enumerate(clips):
        assert_same(clip.labels, ClipLabels.of(motion))
        for frame, sample in zip(clip.frames, samples[k : k + 3], strict=True):
            assert_same(frame.labels, Labels.of(sample))


def test_pictures_and_clips_of_a_folder_are_read_apart(tmp_path: Path, samples: list[Sample]):
    write_images(tmp_path, samples[:2])
    motion = replace(samples[0].person.motion, t_s=np.zeros(1))
    with open_shard(tmp_path / "clips-000000.tar") as shard:
        shard.add_clip("clip0", ClipLabels.of(motion), [coded(samples[0])])
    assert [type(item) for item in read_images(tmp_path)] == [LabelledImage, LabelledImage]
    assert [type(item) for item in read_clips(tmp_path)] == [LabelledClip]


def test_webdataset_reads_the_shards(tmp_path: Path, samples: list[Sample]):
    webdataset = pytest.importorskip("webdataset")
    path = write_images(tmp_path, samples[:3])
    theirs = list(webdataset.WebDataset(str(path), shardshuffle=False).decode("rgb8"))
    for item, picture in zip(theirs, read_images(tmp_path), strict=True):
        assert item["__key__"] == picture.key
        assert np.abs(item["jpg"].astype(int) - picture.image).mean() < 1.0  # another decoder
        dtype, shape, data = item["mp"]["q"]
        np.testing.assert_array_equal(np.frombuffer(data, dtype).reshape(shape), picture.labels.q)


def test_a_shard_says_nothing_of_when_and_by_whom_it_was_written(tmp_path: Path, samples: list[Sample]):
    one = write_images(tmp_path, samples[:2]).read_bytes()
    assert write_images(tmp_path, samples[:2]).read_bytes() == one
    with tarfile.open(tmp_path / "images-000000.tar") as tar:
        for entry in tar:
            assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, 0, "", "")


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, OSError])
def test_a_shard_that_fails_leaves_nothing(
    tmp_path: Path, samples: list[Sample], failure: type[BaseException]
):
    with pytest.raises(failure), open_shard(tmp_path / "images-000000.tar") as shard:
        shard.add_image("0", coded(samples[0]))
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_at_the_last_moment_leaves_nothing(
    tmp_path: Path, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_images(tmp_path, samples[:1])
    assert list(tmp_path.iterdir()) == []


def test_damaged_shards_are_refused_by_name(tmp_path: Path, samples: list[Sample]):
    path = write_images(tmp_path, samples[:4])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(TrainError, match=r"images-000000\.tar: cannot be read"):
        list(read_images(tmp_path))
    path.write_bytes(b"\x01" * 4096)
    with pytest.raises(TrainError, match=r"images-000000\.tar: cannot be read"):
        list(read_images(tmp_path))
    with open_shard(path) as shard:
        shard._add("000000000.mp", encode(Labels.of(samples[0])))
    with pytest.raises(TrainError, match=r"000000000 has no jpg"):
        list(read_images(tmp_path))


def test_webcams_take_their_time():
    t_s = np.arange(600) / 60.0
    q = np.stack([np.sin(t_s), t_s], axis=1)
    intervals = []
    for seed in range(12):
        motion = filmed(Motion("wave", 60.0, t_s, q), np.random.default_rng(seed))
        steps = np.diff(motion.t_s)
        assert motion.t_s[0] == 0.0 and motion.t_s[-1] <= t_s[-1] and (steps > 0.2 / motion.fps).all()
        assert np.median(steps) == pytest.approx(1.0 / motion.fps, rel=0.02)
        np.testing.assert_allclose(motion.q[:, 0], np.sin(motion.t_s), atol=1e-4)
        np.testing.assert_allclose(motion.q[:, 1], motion.t_s, atol=1e-9)
        intervals += list(steps * motion.fps)
    assert 0.002 < np.mean(np.array(intervals) > 1.6) < 0.03  # dropped frames
