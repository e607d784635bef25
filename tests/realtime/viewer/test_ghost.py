"""Ghosts: recordings that move beside the figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from calib.kinematics import joint_centres
from calib.skeleton import Skeleton, load_skeleton
from calib.tables.storage import coordinate_table, write_mot
from realtime.errors import RealtimeError
from realtime.recording.log import LOG_NAME
from realtime.stream.messages import encode
from realtime.viewer.ghost import PAUSE_S, LoggedGhost, RecordedGhost, open_ghost
from realtime.viewer.posture import posture_of
from tests.support.poses import random_sample
from tests.support.streamed import meta_of, streamed


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def test_a_recorded_ghost_moves_as_the_model_does(skeleton: Skeleton, tmp_path: Path) -> None:
    t = np.arange(0.0, 1.0, 0.1)
    q = np.stack([random_sample(skeleton, k).q for k in range(len(t))])
    write_mot(
        tmp_path / "angles.sto",
        coordinate_table(skeleton.coordinate_names, skeleton.is_rotational, t + 7.0, q),
    )
    ghost = open_ghost(str(tmp_path), None)
    for now_s, row in ((50.0, 0), (50.35, 3), (50.88, 8), (50.0 + 0.9 + PAUSE_S + 0.21, 2)):
        posture = ghost.posture(now_s, None)
        assert posture is not None
        np.testing.assert_allclose(posture.joint_centres_m, joint_centres(skeleton, q[row]), atol=1e-6)
    ghost.restart()
    posture = ghost.posture(50.61, None)
    assert posture is not None
    np.testing.assert_allclose(posture.joint_centres_m, joint_centres(skeleton, q[0]), atol=1e-6)


def test_a_recorded_stream_moves_as_it_did(skeleton: Skeleton, tmp_path: Path) -> None:
    meta = meta_of(skeleton)
    postures = []
    with (tmp_path / LOG_NAME).open("wb") as file:
        file.write(msgspec.msgpack.encode(encode(meta)))
        for k in range(10):
            sample = streamed(
                skeleton, random_sample(skeleton, k, t_capture_ns=10**12 + k * 10**8), meta=meta
            )
            postures.append(posture_of(sample))
            assert sample.pose is not None
            for message in (sample.pose, sample.message):
                file.write(msgspec.msgpack.encode(encode(message)))
    ghost = open_ghost(str(tmp_path), None)
    assert isinstance(ghost, LoggedGhost)
    for now_s, k in ((0.0, 0), (0.42, 4), (0.95, 9), (0.9 + PAUSE_S + 0.15, 1)):
        posture = ghost.posture(now_s, None)
        assert posture is not None
        np.testing.assert_allclose(posture.T_ground_body, postures[k].T_ground_body, atol=2e-6)
        np.testing.assert_allclose(posture.confidence, postures[k].confidence, atol=1e-6)
        assert not posture.anatomy().differs_from(postures[k].anatomy(), 1e-5)
    (tmp_path / LOG_NAME).write_bytes(msgspec.msgpack.encode(encode(meta)))
    with pytest.raises(RealtimeError, match="no poses"):
        open_ghost(str(tmp_path), None)


def test_a_ghost_is_put_on_the_figure_facing_as_it_does(skeleton: Skeleton) -> None:
    own = posture_of(streamed(skeleton, random_sample(skeleton, 8)))
    move = np.eye(4)
    move[:3, :3], move[:3, 3] = cv2.Rodrigues(np.array([0.0, 1.9, 0.0]))[0], (2.0, 0.3, -1.0)
    centres = own.joint_centres_m @ move[:3, :3].T + move[:3, 3]
    markers = {name: move[:3, :3] @ p + move[:3, 3] for name, p in own.markers_m.items()}
    elsewhere = replace(
        own, T_ground_body=move @ own.T_ground_body, joint_centres_m=centres, markers_m=markers
    )
    put = elsewhere.put_on(own)
    assert not put.anatomy().differs_from(own.anatomy(), 1e-9)
    np.testing.assert_allclose(put.T_ground_body, own.T_ground_body, atol=1e-9)
    np.testing.assert_allclose(put.joint_centres_m, own.joint_centres_m, atol=1e-9)


def test_a_ghost_that_is_no_recording_is_refused(skeleton: Skeleton, tmp_path: Path) -> None:
    with pytest.raises(RealtimeError, match="no such recording"):
        open_ghost(str(tmp_path / "nothing"), None)
    with pytest.raises(RealtimeError, match=r"angles\.sto"):
        open_ghost(str(tmp_path), None)
    (tmp_path / "angles.mot").write_text("nonsense")
    with pytest.raises(RealtimeError, match=r"angles\.mot"):
        open_ghost(str(tmp_path), None)
    table = coordinate_table(["a"], np.array([True]), [0.0, 1.0], np.zeros((2, 1)))
    write_mot(tmp_path / "other.mot", table)
    with pytest.raises(RealtimeError, match="no coordinate of the skeleton"):
        RecordedGhost(tmp_path / "other.mot", skeleton)
