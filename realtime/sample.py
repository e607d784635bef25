"""Values that pass between the stages: frames in, pose samples out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # subscribers import this module; they need neither numba nor OpenCV
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton


class Status(StrEnum):
    """Whether a sample's coordinates can be used."""

    TRACKING = "tracking"
    UNSURE = "unsure"
    """Somebody is in view, but the skeleton does not fit the image; see `realtime.pose.certainty`."""
    WARM_UP = "warm_up"
    LOST = "lost"


class PersonState(StrEnum):
    """Whether it is known where landmarks lie on the person; see `realtime.person.offsets`."""

    UNKNOWN = "unknown"
    LEARNING = "learning"
    KNOWN = "known"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image and its capture time.

    `t_capture_ns` is the stamp that estimators use, and only through differences, so that live and
    replayed frames give identical results. For a camera it is `perf_counter_ns` between grab and
    retrieve; for a file it is the presentation time added to the moment its first frame was read.
    """

    frame_id: int
    t_capture_ns: int
    image: NDArray[np.uint8]
    """BGR, never mirrored. Shape: (height, width, 3)."""
    view_t_ns: tuple[int | None, ...] = ()
    """When the image of each view was taken, None where it is missing; empty with one view, and where only
    the moment's own time is known. Estimates do not depend on it."""


@dataclass(frozen=True, slots=True, eq=False)
class UnsmoothedPose:
    """The pose of a frame without the delay of smoothing, in the ground of the estimator's camera.

    It jitters more than the sample's, but lies on the person in the frame's image.
    """

    q: NDArray[np.float64]
    """Coordinates in rad and m. Shape: (n_q,)."""
    T_ground_body: NDArray[np.float64]
    """Body to ground, in m. Shape: (n_bodies, 4, 4)."""
    markers_m: NDArray[np.float64]
    """Marker positions in ground. Shape: (n_markers, 3)."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleGround:
    """The ground of samples; see `realtime.pose.ground`."""

    T_ground_cam: NDArray[np.float64]
    """Camera to ground, in m. Shape: (4, 4)."""
    heading: str
    """What X follows: `person`, `camera`, or an angle in degrees."""
    origin: Literal["person", "camera"]
    """What the origin lies under: `person`, as they first stood, or `camera`."""
    floor: Literal["calibrated", "feet"]
    """What Y is counted from: `calibrated` floor, or the `feet` of the person as they first stood."""
    is_settled: bool
    """Whether it stays; until then it may still move."""


@dataclass(frozen=True, slots=True, eq=False)
class PoseSample:
    """The estimate of one frame; NaN with confidence 0 where nothing is known."""

    frame_id: int
    t_capture_ns: int
    status: Status
    q: NDArray[np.float64]
    """Coordinates in rad and m, in the order of `skeleton.coordinate_names`. Shape: (n_q,)."""
    qdot: NDArray[np.float64]
    """Speeds in rad/s and m/s. Shape: (n_q,)."""
    confidence: NDArray[np.float64]
    """Confidence of each coordinate, from 0 to 1. Shape: (n_q,)."""
    scale_factors: NDArray[np.float64]
    """OpenSim scale factors of each body along x, y, z. Shape: (n_bodies, 3)."""
    T_ground_body: NDArray[np.float64]
    """Body to ground, in m. Shape: (n_bodies, 4, 4)."""
    markers_m: NDArray[np.float64]
    """Marker positions in ground. Shape: (n_markers, 3)."""
    box_px: NDArray[np.float64]
    """Left, top, right, bottom of the tracked person; NaN when lost. Shape: (4,)."""
    stage_ns: dict[str, int] = field(default_factory=dict)
    """Time spent in each stage of the estimator."""
    foot_contact: NDArray[np.float64] = field(default_factory=lambda: np.full(2, np.nan))
    """Probability that the right and the left foot rest on the floor; NaN where unknown. Shape: (2,)."""
    unsmoothed: UnsmoothedPose | None = None
    """Pose to draw on the frame's image; it is not published. None: that of the sample."""
    pelvic_angles: NDArray[np.float64] = field(default_factory=lambda: np.full(3, np.nan))
    """Rotation, obliquity and tilt of the pelvis in rad, from `calib.pelvis.clinical_angles`; NaN where
    unknown. Shape: (3,)."""
    ground: SampleGround | None = None
    """Ground of the sample; None: that of the estimator's camera."""
    person: PersonState = PersonState.UNKNOWN
    """Whether the person is known; while `LEARNING`, they stand in the neutral pose."""
    advice: str = ""
    """What the person should do to become known; empty once they are known, or if nothing is learned."""
    learning_left_s: float = np.nan
    """How much longer the person has to stand in the neutral pose; NaN unless they are being learned."""
    used_views: tuple[int, ...] = ()
    """Numbers of the views that the sample rests on; empty with one camera, and while nobody is in view."""
    view_t_ns: tuple[int | None, ...] = ()
    """As in `Frame`."""
    own_estimates: tuple[PoseSample | None, ...] = ()
    """What each view alone gives, None where it is missing; empty unless asked for (`--views`)."""
    others: int = 0
    """Number of people in view besides the tracked ones, as far as they were looked for."""
    person_id: int = 0
    """Number of the tracked person, from 1, in the order in which people were found; another number is
    another person. 0 before the first, and where people are not told apart."""
    further_people: tuple[PoseSample, ...] = ()
    """Samples of further people in the same frame, the second first; empty unless asked for (`--people`)."""
    events: tuple[str, ...] = ()
    """Names of the events that the user has marked since the sample before."""

    @property
    def people(self) -> tuple[PoseSample, ...]:
        """This sample and those of further people, all with the events of the frame."""
        return (self, *(replace(sample, events=self.events) for sample in self.further_people))

    @property
    def shown(self) -> NDArray[np.float64]:
        """Coordinates and then the pelvic angles, as overlay and report choose from. Shape: (n_q + 3,)."""
        return np.concatenate([self.q, self.pelvic_angles])

    def on_image(self) -> PoseSample:
        """The sample with the pose that lies on the frame's image."""
        pose = self.unsmoothed
        if pose is None:
            return self
        return replace(
            self, q=pose.q, T_ground_body=pose.T_ground_body, markers_m=pose.markers_m, ground=None
        )


@dataclass(frozen=True, slots=True)
class LiveStats:
    """Statistics of the run so far, for the overlay and the stream's heartbeat; None where unknown."""

    fps: float | None = None
    """Samples a second."""
    latency_ms: float | None = None
    """Capture to publication of a typical sample."""
    dropped_frames: int = 0
    """Frames that were captured but never estimated."""
    lost_frames: int = 0
    """Samples without a person."""
    note: str = ""
    """A note for the user, such as "camera 0 is gone, trying again"."""


class Estimator(Protocol):
    """Turns frames into pose samples. Pure: no threads, no sockets, no clock."""

    name: str
    skeleton: Skeleton
    camera: CameraCalibration
    """Camera in the ground of estimates; in that of a sample it is `realtime.geometry.camera_in_ground`."""

    @property
    def description(self) -> str:
        """Runtime, device and precision, printed once at the start of a run."""

    @property
    def lag_s(self) -> float:
        """Mean delay that smoothing has added so far."""

    def warm_up(self) -> None:
        """Do now what takes long the first time, such as compiling; later results do not depend on it."""

    def step(self, frame: Frame) -> PoseSample:
        """Estimate one frame; called with frames in the order of their stamps."""

    def reset(self) -> None:
        """Forget the person and start again."""

    def relearn(self) -> None:
        """Learn the person once more from their next neutral pose, where the estimator does so at all."""

    def about_person(self) -> dict[str, object]:
        """What is known about the person, for `report.json`; empty if nothing is learned."""


@runtime_checkable
class ChoosesPeople(Protocol):
    """Part of an estimator that tells people apart."""

    def choose_at(self, x: float, y: float) -> None:
        """Track whoever is at a point of the next image; nobody there: no change.

        Args:
            x: Position from 0, the left edge, to 1.
            y: Position from 0, the upper edge, to 1.
        """


class Drawing(Protocol):
    """Draws samples on the images they were estimated from."""

    def draw(
        self, image: NDArray[np.uint8], sample: PoseSample, stats: LiveStats | None = None
    ) -> NDArray[np.uint8]:
        """A new image with everything drawn on it; both have shape (height, width, 3)."""
