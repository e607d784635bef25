"""Write blazepose_mediapipe.npz: what MediaPipe itself finds in the demo clip.

Run in an environment of its own (its numpy is older than kinecast's), from the repository root:

    python -m venv mediapipe-env && mediapipe-env/bin/pip install mediapipe==0.10.21
    kinecast assets fetch demo_clip
    mediapipe-env/bin/python tests/data/make_blazepose_golden.py PATH/TO/demo.mp4
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from mediapipe.python.solution_base import SolutionBase

LANDMARKS = "poselandmarkbyroicpu__tensorstoposelandmarksandsegmentation__"
EVERY = 5
FIRST = 10


def pose_graph(static: bool) -> SolutionBase:
    """`mp.solutions.pose.Pose(smooth_landmarks=False)`, with its regions and detections as outputs too."""
    return SolutionBase(
        binary_graph_path="mediapipe/modules/pose_landmark/pose_landmark_cpu.binarypb",
        side_inputs={
            "model_complexity": 1,
            "smooth_landmarks": False,
            "enable_segmentation": False,
            "smooth_segmentation": False,
            "use_prev_landmarks": not static,
        },
        calculator_params={
            "posedetectioncpu__TensorsToDetectionsCalculator.min_score_thresh": 0.5,
            f"{LANDMARKS}ThresholdingCalculator.threshold": 0.5,
        },
        outputs=[
            "pose_landmarks",
            "pose_world_landmarks",
            "pose_detection",
            "pose_rect_from_detection",
            "pose_rect_from_landmarks",
        ],
    )


def rect(found, width, height):
    """Centre, size in pixels, rotation in rad."""
    return [found.x_center * width, found.y_center * height, found.width * width, found.rotation]


def main(clip: str) -> None:
    capture = cv2.VideoCapture(clip)
    tracking, static = pose_graph(False), pose_graph(True)
    rows = {key: [] for key in ("frame", "roi", "landmarks_px", "world_m", "visibility", "detection")}
    previous = None
    index = 0
    while True:
        ok, image = capture.read()
        if not ok:
            break
        height, width = image.shape[:2]
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        found = tracking.process({"image": rgb})
        looked_at = found.pose_rect_from_detection or previous
        previous = found.pose_rect_from_landmarks
        if index >= FIRST and index % EVERY == 0 and found.pose_landmarks:
            points = found.pose_landmarks.landmark
            rows["frame"].append(index)
            rows["roi"].append(rect(looked_at, width, height))
            rows["landmarks_px"].append([(p.x * width, p.y * height, p.z * width) for p in points])
            rows["world_m"].append([(p.x, p.y, p.z) for p in found.pose_world_landmarks.landmark])
            rows["visibility"].append([p.visibility for p in points])
            seen = static.process({"image": rgb}).pose_detection
            row = np.full(9, np.nan)
            if seen:
                keypoints = [(k.x * width, k.y * height) for k in seen.location_data.relative_keypoints]
                row = np.array([seen.score[0], *np.ravel(keypoints)])
            rows["detection"].append(row)
        index += 1
    arrays = {key: np.array(value, np.int32 if key == "frame" else np.float32) for key, value in rows.items()}
    np.savez_compressed(Path(__file__).with_name("blazepose_mediapipe.npz"), **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
