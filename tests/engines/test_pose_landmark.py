"""The landmarks' numbers are MediaPipe's, and the tables built of them what the shipped networks know."""

from __future__ import annotations

import numpy as np

from engines.blazepose.pose_landmark import N_LANDMARKS, PoseLandmark
from engines.features.landmarks import DIRECTIONS, LENGTHS, MIRRORED, USED

# As the table in MediaPipe's documentation of the pose landmarker lists them.
MEDIAPIPE = (
    "nose", "left eye (inner)", "left eye", "left eye (outer)", "right eye (inner)", "right eye",
    "right eye (outer)", "left ear", "right ear", "mouth (left)", "mouth (right)", "left shoulder",
    "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist", "left pinky", "right pinky",
    "left index", "right index", "left thumb", "right thumb", "left hip", "right hip", "left knee",
    "right knee", "left ankle", "right ankle", "left heel", "right heel", "left foot index",
    "right foot index",
)  # fmt: skip


def test_numbers_are_mediapipes() -> None:
    named = [name.upper().replace(" ", "_").replace("(", "").replace(")", "") for name in MEDIAPIPE]
    assert [PoseLandmark[name] for name in named] == list(range(N_LANDMARKS))


def test_mirroring_twice_gives_the_landmark_back() -> None:
    assert all(landmark.mirrored.mirrored is landmark for landmark in PoseLandmark)
    assert [landmark for landmark in PoseLandmark if landmark.mirrored is landmark] == [PoseLandmark.NOSE]


def test_the_lifters_inputs_keep_their_order() -> None:
    np.testing.assert_array_equal(USED, [0, 2, 5, 7, 8, *range(11, 33)])
    np.testing.assert_array_equal(
        DIRECTIONS,
        [
            (23, 25), (25, 27), (24, 26), (26, 28), (27, 31), (28, 32), (29, 31), (30, 32), (27, 29),
            (28, 30), (11, 13), (13, 15), (12, 14), (14, 16), (15, 19), (16, 20), (15, 17), (16, 18),
            (11, 12), (23, 24), (23, 11), (24, 12), (7, 8), (11, 7), (12, 8),
        ],
    )  # fmt: skip
    assert sorted(map(sorted, LENGTHS.tolist())) == sorted(
        [[23, 25], [25, 27], [24, 26], [26, 28], [11, 23], [12, 24]]
    )
    np.testing.assert_array_equal(
        MIRRORED,
        [
            0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23, 26, 25,
            28, 27, 30, 29, 32, 31,
        ],
    )  # fmt: skip
