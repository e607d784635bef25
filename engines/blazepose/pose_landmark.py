"""BlazePose's 33 landmarks by MediaPipe's names and numbers."""

from __future__ import annotations

from enum import IntEnum


class PoseLandmark(IntEnum):
    """Index of a landmark; left and right are the person's."""

    NOSE = 0
    LEFT_EYE_INNER = 1
    LEFT_EYE = 2
    LEFT_EYE_OUTER = 3
    RIGHT_EYE_INNER = 4
    RIGHT_EYE = 5
    RIGHT_EYE_OUTER = 6
    LEFT_EAR = 7
    RIGHT_EAR = 8
    MOUTH_LEFT = 9
    MOUTH_RIGHT = 10
    LEFT_SHOULDER = 11
    RIGHT_SHOULDER = 12
    LEFT_ELBOW = 13
    RIGHT_ELBOW = 14
    LEFT_WRIST = 15
    RIGHT_WRIST = 16
    LEFT_PINKY = 17
    RIGHT_PINKY = 18
    LEFT_INDEX = 19
    RIGHT_INDEX = 20
    LEFT_THUMB = 21
    RIGHT_THUMB = 22
    LEFT_HIP = 23
    RIGHT_HIP = 24
    LEFT_KNEE = 25
    RIGHT_KNEE = 26
    LEFT_ANKLE = 27
    RIGHT_ANKLE = 28
    LEFT_HEEL = 29
    RIGHT_HEEL = 30
    LEFT_FOOT_INDEX = 31
    RIGHT_FOOT_INDEX = 32

    @property
    def mirrored(self) -> PoseLandmark:
        """The same landmark of the other side; the nose is its own."""
        words = {"LEFT": "RIGHT", "RIGHT": "LEFT"}
        return PoseLandmark["_".join(words.get(word, word) for word in self.name.split("_"))]


N_LANDMARKS = len(PoseLandmark)

Pair = tuple[PoseLandmark, PoseLandmark]
EARS: Pair = (PoseLandmark.LEFT_EAR, PoseLandmark.RIGHT_EAR)
"""Left and right, like all pairs below."""
SHOULDERS: Pair = (PoseLandmark.LEFT_SHOULDER, PoseLandmark.RIGHT_SHOULDER)
ELBOWS: Pair = (PoseLandmark.LEFT_ELBOW, PoseLandmark.RIGHT_ELBOW)
WRISTS: Pair = (PoseLandmark.LEFT_WRIST, PoseLandmark.RIGHT_WRIST)
PINKIES: Pair = (PoseLandmark.LEFT_PINKY, PoseLandmark.RIGHT_PINKY)
INDEX_FINGERS: Pair = (PoseLandmark.LEFT_INDEX, PoseLandmark.RIGHT_INDEX)
HIPS: Pair = (PoseLandmark.LEFT_HIP, PoseLandmark.RIGHT_HIP)
KNEES: Pair = (PoseLandmark.LEFT_KNEE, PoseLandmark.RIGHT_KNEE)
ANKLES: Pair = (PoseLandmark.LEFT_ANKLE, PoseLandmark.RIGHT_ANKLE)
HEELS: Pair = (PoseLandmark.LEFT_HEEL, PoseLandmark.RIGHT_HEEL)
FOOT_INDICES: Pair = (PoseLandmark.LEFT_FOOT_INDEX, PoseLandmark.RIGHT_FOOT_INDEX)
