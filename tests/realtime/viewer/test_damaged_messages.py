"""No message breaks what the viewer shows, however damaged."""

from __future__ import annotations

import numpy as np
import pytest

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton, load_skeleton
from realtime.stream.angle_sample import AngleSample
from realtime.stream.decoding import Decoder, MessageError
from realtime.stream.messages import Angles, Meta, Pose, encode
from realtime.viewer.posture import posture_of
from realtime.viewer.readout import legible
from realtime.viewer.scene import ViewerScene
from tests.support.poses import random_sample
from tests.support.streamed import meta_of, streamed


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def camera() -> CameraCalibration:
    return CameraCalibration.assumed(640, 480)


def mutated(frame: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(frame)
    for _ in range(rng.integers(1, 6)):
        kind, at = rng.integers(0, 4), int(rng.integers(0, len(data)))
        if kind == 0:
            data[at] = int(rng.integers(0, 256))
        elif kind == 1:
            data[at : at + 8] = rng.bytes(8)
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 9))]
        else:
            data[at:at] = rng.bytes(int(rng.integers(1, 9)))
    return bytes(data)


def test_no_mutated_message_breaks_the_scene(skeleton: Skeleton, camera: CameraCalibration) -> None:
    """Damaged bytes, and numbers that are valid messages and nonsense poses."""
    from realtime.overlay.angles import AnglePanel, choose_rows
    from realtime.overlay.style import Typeface

    rng = np.random.default_rng(0)
    decoder, scene = Decoder(), ViewerScene()
    meta = meta_of(skeleton, camera)
    good = streamed(skeleton, random_sample(skeleton, 1), meta=meta)
    assert good.pose is not None
    frames = [encode(meta), encode(good.pose), encode(good.message)]
    panel = AnglePanel(choose_rows(meta.model, None), Typeface())
    n_accepted, pose, current = 0, good.pose, meta
    for k in range(4000):
        frame = mutated(frames[k % 3], rng)
        try:
            message = decoder.decode(frame)
        except MessageError:
            continue
        finally:
            decoder.meta = meta
        if isinstance(message, Meta):
            # A stream whose meta is damaged sends messages of the lengths that it tells.
            same = [len(message.model.body_names), len(message.model.marker_names)]
            current = message if same == [skeleton.n_bodies, skeleton.n_markers] else meta
        elif isinstance(message, Pose):
            pose = message
        elif isinstance(message, Angles) and len(message.q) == len(current.model.coordinate_names):
            index = {name: n for n, name in enumerate(current.model.coordinate_names)}
            sample = AngleSample(message, current, pose, 0, 0, 0, index)
            scene.take(sample, 0.01 * k)
            scene.take_ghost(posture_of(sample))
            assert np.isfinite(scene.body.vertices).all() and np.isfinite(scene.ghost.dots()).all()
            for lines in (scene.ground(), scene.frustums(np.zeros(3)), scene.trails()):
                assert np.isfinite(lines.points).all()
            assert np.isfinite(scene.body.colours(np.eye(3))).all() and np.isfinite(scene.shadow()[0]).all()
            shown = legible(sample.pose_sample())
            panel.remember(shown)
            assert panel.picture(shown, 1.0).size
            n_accepted += 1
    assert n_accepted > 50 and sum(decoder.refused.values()) > 1000
