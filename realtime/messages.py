"""The messages of the stream and their encoding; `realtime.decoding` reads them.

A message is one ZeroMQ frame: an ASCII topic, one space, a body. The body is msgpack (a map with field
names) or, on request, JSON; JSON begins with `{`, which no msgpack map does, so a reader tells them apart
by the first byte. Units are SI: rad and m, and ns of the publisher's monotonic clock. In arrays the undefined
is NaN with confidence 0 (`null` in JSON); a single value that is not known is nil (`null`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from realtime.types import Status

SCHEMA = 1
"""Raised when a field changes its meaning or goes; new fields leave it as it is."""

Encoding = Literal["msgpack", "json"]

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Reals = Annotated[list[float], msgspec.Meta(max_length=4096)]
Names = Annotated[list[Name], msgspec.Meta(max_length=4096)]
Vector3 = tuple[float, float, float]
Vector4 = tuple[float, float, float, float]
Vectors3 = Annotated[list[Vector3], msgspec.Meta(max_length=4096)]
Vectors4 = Annotated[list[Vector4], msgspec.Meta(max_length=4096)]


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What every message begins with."""

    schema: Count
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
    status: Status
    q: Reals
    """rad and m."""
    qdot: Reals
    """rad/s and m/s."""
    confidence: Reals
    """0 to 1; 0 where q is NaN."""
    pelvis_position_m: Vector3
    """Origin of the model's first body, in ground."""


class Pose(Header, frozen=True, kw_only=True):
    """Topic `pose`: bodies and markers of the sample with the same `seq`; sent just before its `angles`."""

    seq: Count
    frame_id: Count
    t_capture_ns: Count
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
    sha: Name
    coordinate_names: Names
    units: Annotated[list[Literal["rad", "m"]], msgspec.Meta(max_length=4096)]
    q_lower: Reals
    q_upper: Reals
    body_names: Names
    body_parents: Annotated[list[Annotated[int, msgspec.Meta(ge=-1, le=4095)]], msgspec.Meta(max_length=4096)]
    """Index of each body's parent, always smaller than its own; -1 is ground."""
    marker_names: Names

    @property
    def is_rotational(self) -> list[bool]:
        """True for coordinates in rad."""
        return [unit == "rad" for unit in self.units]


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    """OpenCV pinhole parameters and where the camera stands."""

    width_px: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    height_px: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: Reals
    T_ground_cam: tuple[Vector4, Vector4, Vector4, Vector4]
    rms_px: float | None = None
    """Reprojection error of the calibration; nil where the camera is assumed."""


class Meta(Header, frozen=True, kw_only=True):
    """Topic `meta`: sent to each new subscriber and once a second."""

    wall_offset_ns: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    """Add it to a stamp to get ns since 1970-01-01 UTC on the publisher's wall clock."""
    model: Model
    camera: Camera | None = None
    source: Text = ""
    estimator: Text = ""
    smoothing_lag_s: float | None = None
    rate_hz: float | None = None
    versions: Annotated[dict[Name, Text], msgspec.Meta(max_length=64)] = {}


class StatusMessage(Header, frozen=True, kw_only=True):
    """Topic `status`: heartbeat, once a second even while no frame arrives."""

    seq: Count
    """Samples sent so far in this session."""
    status: Status
    fps: float | None = None
    latency_ms: float | None = None
    """Capture to publication."""
    dropped_frames: Count = 0
    lost_frames: Count = 0
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
