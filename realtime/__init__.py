"""From frames to a live stream of OpenSim coordinates.

```python
from realtime import Tracker

with Tracker(height_m=1.75) as track:
    for pose in track.run("demo_clip"):
        print(pose.t_s, pose["knee_angle_r"], pose.status)
```

What is listed in `__all__` is imported when it is first used, so that `import realtime` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.api.pose import TrackedPose
    from realtime.api.tracker import Tracker
    from realtime.export.motion import RecordedMotion, load_recording
    from realtime.options import CameraOptions, DrawingOptions, EstimatorOptions

__all__ = [
    "CameraOptions",
    "DrawingOptions",
    "EstimatorOptions",
    "RecordedMotion",
    "TrackedPose",
    "Tracker",
    "load_recording",
]

_MODULES = {
    "CameraOptions": "realtime.options",
    "DrawingOptions": "realtime.options",
    "EstimatorOptions": "realtime.options",
    "RecordedMotion": "realtime.export.motion",
    "TrackedPose": "realtime.api.pose",
    "Tracker": "realtime.api.tracker",
    "load_recording": "realtime.export.motion",
}


def __getattr__(name: str) -> object:
    """Import one of the names in `__all__`."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
