"""The messages of the stream and their encoding; `realtime.stream.decoding` reads them.

A message is one ZeroMQ frame: an ASCII topic, one space, a body. The body is msgpack (a map with field
names) or, on request, JSON; JSON begins with `{`, which no msgpack map does, so a reader tells them apart
by the first byte. Units are SI: rad and m, and ns of the publisher's monotonic clock. In arrays the undefined
is NaN with confidence 0 (`null` in JSON); a single value that is not known is nil (`null`).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec

from realtime.sample import Status

SCHEMA = 1
"""Raised when a field changes its meaning or goes; new fields leave it as it is."""

Encoding = Literal["msgpack", "json"]

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Reals = Annotated[list[float], msgspec.Meta(max_length=4096)]
Shares = Annotated[list[Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]], msgspec.Meta(max_length=4096)]
Names = Annotated[list[Name], msgspec.Meta(max_length=4096)]
Vector2 = tuple[float, float]
Vector3 = tuple[float, float, float]
Vector4 = tuple[float, float, float, float]
Vectors3 = Annotated[list[Vector3], msgspec.Meta(max_length=4096)]
Vectors4 = Annotated[list[Vector4], msgspec.Meta(max_length=4096)]


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What every message begins with."""

    schema: Count
    """Version of the format."""
    session: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    """UUID of one run of the publisher."""
    t_publish_ns: Count
    """When it was sent, on the publisher's monotonic clock."""


class Angles(Header, frozen=True, kw_only=True):
    """Topic `angles`: the coordinates of one frame, in the order of `meta.model.coordinate_names`."""

    seq: Count
    """Counts samples of the session from 0; a gap means that samples were lost on the way."""
    frame_id: Count
    """Counts the source's frames; a gap means that the tracker skipped frames."""
    t_capture_ns: Count
    """When the frame was taken, on the publisher's monotonic clock."""
    status: Status
    """`tracking`; `warm_up`: not to be relied on yet; `lost`: nobody in view."""
    q: Reals
    """Coordinates in rad and m; NaN where unknown."""
    qdot: Reals
    """Their speeds in rad/s and m/s; NaN where unknown. As many as `q`."""
    confidence: Shares
    """From 0 to 1; 0 where `q` is NaN. As many as `q`."""
    pelvis_position_m: Vector3
    """Origin of the pelvis, or of the model's first body if it has none, in ground."""
    foot_contact: Vector2 = (math.nan, math.nan)
    """Probability that the right and the left foot rest on the floor; NaN where not known."""


class Pose(Header, frozen=True, kw_only=True):
    """Topic `pose`: bodies and markers of the sample with the same `seq`; sent just before its `angles`."""

    seq: Count
    """As in `angles`."""
    frame_id: Count
    """As in `angles`."""
    t_capture_ns: Count
    """As in `angles`."""
    body_position_m: Vectors3
    """Origin of each body in ground, in the order of `meta.model.body_names`."""
    body_rotation_wxyz: Vectors4
    """Unit quaternion of `R_ground_body`."""
    joint_centre_m: Vectors3
    """Centre of the joint that carries each body, in ground."""
    marker_m: Vectors3
    """Markers in ground, in the order of `meta.model.marker_names`."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """The skeleton that the numbers belong to."""

    name: Name
    """Of the model."""
    sha: Name
    """Hash of its content: two models with the same hash mean the same."""
    coordinate_names: Names
    """In the order of `q`."""
    units: Annotated[list[Literal["rad", "m"]], msgspec.Meta(max_length=4096)]
    """Of each coordinate."""
    q_lower: Reals
    """Lower limit of each coordinate; NaN where there is none."""
    q_upper: Reals
    """Upper limit of each coordinate; NaN where there is none."""
    body_names: Names
    """In the order of the bodies of `pose`."""
    body_parents: Annotated[list[Annotated[int, msgspec.Meta(ge=-1, le=4095)]], msgspec.Meta(max_length=4096)]
    """Index of each body's parent, always smaller than its own; -1 is ground."""
    marker_names: Names
    """In the order of the markers of `pose`."""

    @property
    def is_rotational(self) -> list[bool]:
        """True for coordinates in rad."""
        return [unit == "rad" for unit in self.units]


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    """OpenCV pinhole parameters and where the camera stands."""

    width_px: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    """Of the pictures."""
    height_px: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    """Of the pictures."""
    fx: float
    """Focal length along x, in px."""
    fy: float
    """Focal length along y, in px."""
    cx: float
    """Principal point, in px from the left."""
    cy: float
    """Principal point, in px from the top."""
    distortion: Reals
    """OpenCV's coefficients k1, k2, p1, p2, k3, ...; none for a camera without distortion."""
    T_ground_cam: tuple[Vector4, Vector4, Vector4, Vector4]
    """Rows of the 4 x 4 matrix from the camera's coordinates (X right, Y down, Z forward, in m) to ground."""
    rms_px: float | None = None
    """Reprojection error of the calibration; nil where the camera is assumed."""


class Meta(Header, frozen=True, kw_only=True):
    """Topic `meta`: sent to each new subscriber and once a second."""

    wall_offset_ns: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    """Add it to a stamp to get ns since 1970-01-01 UTC on the publisher's wall clock."""
    model: Model
    """What the numbers of `angles` and `pose` belong to."""
    camera: Camera | None = None
    """Through which the person is seen."""
    source: Text = ""
    """What is watched, such as "camera 0"."""
    estimator: Text = ""
    """Name of the estimator."""
    smoothing_lag_s: float | None = None
    """Mean delay that smoothing adds."""
    rate_hz: float | None = None
    """Nominal rate of the source."""
    versions: Annotated[dict[Name, Text], msgspec.Meta(max_length=64)] = {}
    """Further names and versions."""


class StatusMessage(Header, frozen=True, kw_only=True):
    """Topic `status`: heartbeat, once a second even while no frame arrives."""

    seq: Count
    """Samples sent so far in this session."""
    status: Status
    """Of the newest sample; `warm_up` before the first."""
    fps: float | None = None
    """Samples a second."""
    latency_ms: float | None = None
    """Capture to publication of a typical sample."""
    dropped_frames: Count = 0
    """Frames that were captured but never estimated, in this session."""
    lost_frames: Count = 0
    """Samples without a person, in this session."""
    note: Text = ""
    """For people, such as "camera 0 is gone, trying again"."""


Message = Angles | Pose | Meta | StatusMessage
TOPICS: dict[str, type[Angles] | type[Pose] | type[Meta] | type[StatusMessage]] = {
    "angles": Angles,
    "pose": Pose,
    "meta": Meta,
    "status": StatusMessage,
}
_PREFIXES = {kind: f"{topic} ".encode() for topic, kind in TOPICS.items()}
_encode_msgpack = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode


def encode(message: Message, encoding: Encoding = "msgpack") -> bytes:
    """The one frame that carries `message`."""
    body = _encode_json(message) if encoding == "json" else _encode_msgpack(message)
    return _PREFIXES[type(message)] + body


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the bodies, under `$defs`; `topics` maps each topic to its body."""
    schemas, definitions = msgspec.json.schema_components(TOPICS.values())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"kinecast stream, schema {SCHEMA}",
        "topics": dict(zip(TOPICS, schemas, strict=True)),
        "$defs": _allow_null(definitions),
    }


def _allow_null(schema: Any, in_array: bool = False) -> Any:
    """The schema with `null` allowed for the numbers in arrays, where it stands for NaN."""
    if isinstance(schema, list):
        return [_allow_null(item, in_array) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if in_array and schema.get("type") == "number":
        return {**schema, "type": ["number", "null"]}
    return {key: _allow_null(item, key in ("items", "prefixItems")) for key, item in schema.items()}
