"""MediaPipe Pose on the same frames, for `kinecast bench engines`: run by a Python that has MediaPipe.

MediaPipe wants another numpy than kinecast, so that it lives in an environment of its own; this file imports
nothing of kinecast. Usage: python mediapipe_peer.py FRAMES.npy. It reads lines "START STOP", runs these
frames in order, and answers each with a line of JSON: nanoseconds and whether somebody was found, frame by
frame.
"""

from __future__ import annotations

import json
import sys
import time


def main(path: str) -> None:
    """Serve turns until the input ends."""
    import mediapipe
    import numpy as np

    frames = np.load(path)  # red green blue: the conversion is not counted
    pose = mediapipe.solutions.pose.Pose(model_complexity=1)  # full, smoothed: its defaults
    pose.process(frames[0])
    print(json.dumps({"version": mediapipe.__version__}), flush=True)
    for line in sys.stdin:
        start, stop = (int(word) for word in line.split())
        timed = []
        for k in range(start, stop):
            frame = frames[k % len(frames)]
            begin_ns = time.perf_counter_ns()
            result = pose.process(frame)
            timed.append([time.perf_counter_ns() - begin_ns, result.pose_landmarks is not None])
        print(json.dumps(timed), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
