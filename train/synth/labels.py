"""What is stored beside each synthetic image, and how it is coded.

Labels are msgpack maps. An array is (dtype, shape, little-endian bytes), so that they read back in any
language, without rounding and without a copy.
"""

from __future__ import annotations

from typing import Any, TypeVar

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics
from train.clothing.garments import Category
from train.errors import TrainError
from train.motion.motion import Motion
from train.scene.cameras import Framing, View
from train.synth.people import Sample

SCHEMA = 1
"""Raised when a field changes its meaning or goes; new fields leave it as it is."""
MARKER_DEPTH_M = 0.05
"""Markers sit on the skin; cloth may cover them."""
CENTRE_DEPTHS_M = {
    "pelvis": 0.2, "torso": 0.2, "femur": 0.18, "neck": 0.13, "head": 0.13, "humerus": 0.13, "tibia": 0.11,
    "hand": 0.07, "toes": 0.08,
}  # fmt: skip
"""How deep under what is seen the centre of the joint that carries a body may lie."""
_CENTRE_DEPTH_M = 0.1
NOT_THE_PERSON = (Category.BACKGROUND, Category.FURNITURE, Category.OCCLUDER)

Array64 = NDArray[np.float64]
Array32 = NDArray[np.float32]
Flags = NDArray[np.bool_]


class CameraLabels(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A camera without distortion, and the square that was cut from its frame."""

    width_px: int
    height_px: int
    fx: float
    fy: float
    cx: float
    cy: float
    T_ground_cam: Array64
    """Shape: (4, 4)."""
    crop_from_frame: Array64
    """Similarity from frame pixels to the image's. Shape: (2, 3)."""
    size_px: int
    """Side of the image."""
    framing: Framing

    @classmethod
    def of(cls, view: View) -> CameraLabels:
        """Describe a view."""
        k = view.camera.intrinsics
        return cls(
            width_px=int(k.width_px), height_px=int(k.height_px),
            fx=float(k.fx), fy=float(k.fy), cx=float(k.cx), cy=float(k.cy),
            T_ground_cam=view.camera.T_ground_cam, crop_from_frame=view.crop_from_frame,
            size_px=view.size_px, framing=view.framing,
        )  # fmt: skip

    @property
    def view(self) -> View:
        """The same for computing with."""
        intrinsics = Intrinsics(self.width_px, self.height_px, self.fx, self.fy, self.cx, self.cy)
        camera = CameraCalibration(intrinsics, self.T_ground_cam)
        return View(camera, self.crop_from_frame, self.size_px, self.framing)


class Labels(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Everything that is true about one image.

    Names of coordinates, bodies and markers are in the set's `set.json`, in the order of the arrays. Pixels
    are the image's; a point behind the camera has NaN there.
    """

    schema: int = SCHEMA
    adult: int
    """Number of the body in `train.bodies.bodies`."""
    outfit: tuple[str, ...]
    motion: str
    """Name of the activity or capture."""
    source: str
    """Source of the motion: a key of `train.motion.captured.SOURCES`."""
    t_s: float
    """When in the motion."""
    q: Array64
    """Coordinates in rad and m. Shape: (n_q,)."""
    scale_factors: Array64
    """Shape: (n_bodies, 3)."""
    T_ground_body: Array64
    """Shape: (n_bodies, 4, 4)."""
    centres_m: Array32
    """Centre of the joint that carries each body, in ground. Shape: (n_bodies, 3)."""
    markers_m: Array32
    """Markers in ground. Shape: (n_markers, 3)."""
    centres_px: Array32
    """Shape: (n_bodies, 2)."""
    markers_px: Array32
    """Shape: (n_markers, 2)."""
    centres_visible: Flags
    """Whether they are in the image, with nothing in front but the flesh around. Shape: (n_bodies,)."""
    markers_visible: Flags
    """The same. Shape: (n_markers,)."""
    box_px: Array32
    """What is seen of the person: left, top, right, bottom; NaN where nothing is. Shape: (4,)."""
    camera: CameraLabels
    segmentation_png: bytes
    """`train.clothing.garments.Category` of each pixel."""

    @classmethod
    def of(cls, sample: Sample) -> Labels:
        """Label one image."""
        picture, person = sample.picture, sample.person
        centres_m, markers_m = sample.joint_centres_m, sample.markers_m
        names = (name.partition("_")[0] for name in person.puppet.skeleton.body_names)
        depths_m = np.array([CENTRE_DEPTHS_M.get(name, _CENTRE_DEPTH_M) for name in names])
        return cls(
            adult=person.puppet.adult,
            outfit=person.dressed.description,
            motion=person.motion.name,
            source=person.motion.source,
            t_s=float(person.motion.t_s[sample.frame]),
            q=sample.q,
            scale_factors=person.puppet.scale_factors,
            T_ground_body=sample.T_ground_body,
            centres_m=centres_m.astype(np.float32),
            markers_m=markers_m.astype(np.float32),
            centres_px=picture.view.project(centres_m).astype(np.float32),
            markers_px=picture.view.project(markers_m).astype(np.float32),
            centres_visible=picture.visible(centres_m, depths_m),
            markers_visible=picture.visible(markers_m, MARKER_DEPTH_M),
            box_px=seen_box_px(picture.category),
            camera=CameraLabels.of(picture.view),
            segmentation_png=cv2.imencode(".png", picture.category)[1].tobytes(),
        )

    @property
    def category(self) -> NDArray[np.uint8]:
        """`train.clothing.garments.Category` of each pixel. Shape: (size, size)."""
        packed = np.frombuffer(self.segmentation_png, np.uint8)
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)


class EstimatedLabels(Labels, frozen=True, kw_only=True, eq=False):
    """What an estimator said about a real image, or the truth about a synthetic one."""

    q_weight: Array64 | None = None
    """How far each coordinate is to be trusted; None for the truth. Shape: (n_q,)."""


class ClipLabels(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What is true about all images of one clip: one person, one outfit, one camera."""

    schema: int = SCHEMA
    motion: str
    source: str
    fps: float
    """What the camera is set to."""
    t_s: Array64
    """When each frame was taken: webcams keep no exact time and drop frames. Shape: (n_frames,)."""

    @classmethod
    def of(cls, motion: Motion) -> ClipLabels:
        """Label the clip of a filmed motion."""
        return cls(motion=motion.name, source=motion.source, fps=motion.fps, t_s=motion.t_s)


def seen_box_px(category: NDArray[np.uint8]) -> Array32:
    """Smallest box around the person's pixels, far edges exclusive. Shape: (4,)."""
    person = ~np.isin(category, NOT_THE_PERSON)
    columns, rows = np.flatnonzero(person.any(0)), np.flatnonzero(person.any(1))
    if len(columns) == 0:
        return np.full(4, np.nan, np.float32)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def _pack(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        array = value.astype(value.dtype.newbyteorder("<"), copy=False)
        return array.dtype.str, array.shape, array.tobytes()
    raise NotImplementedError(f"{type(value).__name__} has no place in labels")


def _unpack(expected: Any, value: Any) -> NDArray[Any]:
    """An array from its packed form, checked against the field's annotation."""
    kind = np.dtype(expected.__args__[1].__args__[0]).newbyteorder("<")
    dtype, shape, data = value
    if dtype != kind.str:
        raise ValueError(f"array of {dtype!r}; accepted: {kind.str!r}")
    return np.frombuffer(data, kind).reshape(shape)


AnyLabels = TypeVar("AnyLabels", Labels, EstimatedLabels, ClipLabels)

_encoder = msgspec.msgpack.Encoder(enc_hook=_pack)
_labels = msgspec.msgpack.Decoder(Labels, dec_hook=_unpack)
_estimated_labels = msgspec.msgpack.Decoder(EstimatedLabels, dec_hook=_unpack)
_clip_labels = msgspec.msgpack.Decoder(ClipLabels, dec_hook=_unpack)


def encode(labels: Labels | ClipLabels) -> bytes:
    """Msgpack of labels."""
    return _encoder.encode(labels)


def decode_labels(data: bytes) -> Labels:
    """Labels of an image from msgpack.

    Raises:
        TrainError: these are none, or of another schema.
    """
    return _decoded(_labels, data)


def decode_estimated_labels(data: bytes) -> EstimatedLabels:
    """Labels of an image, real or synthetic, from msgpack.

    Raises:
        TrainError: these are none, or of another schema.
    """
    return _decoded(_estimated_labels, data)


def decode_clip_labels(data: bytes) -> ClipLabels:
    """Labels of a clip from msgpack.

    Raises:
        TrainError: these are none, or of another schema.
    """
    return _decoded(_clip_labels, data)


def _decoded(decoder: msgspec.msgpack.Decoder[AnyLabels], data: bytes) -> AnyLabels:
    try:
        labels = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TrainError(f"not labels of a synthetic image: {error}") from error
    if labels.schema != SCHEMA:
        raise TrainError(f"labels of schema {labels.schema}; this kinecast reads {SCHEMA}")
    return labels
