"""The messages of the stream and their encoding; `realtime.stream.decoding` reads them.

A message is one ZeroMQ frame: an ASCII topic, one space, a body. The body is msgpack (a map with field
names) or, on request, JSON; JSON begins with `{`, which no msgpack map does, so a reader tells them apart
by the first byte. Units are SI: rad, m, and ns of the publisher's monotonic clock. In arrays, an undefined
is NaN with confidence 0 (`null` in JSON); a single value that is not known is nil (`null`).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec

from realtime.sample import PersonState, Status

SCHEMA = 1
"""Version of the format. It increases when a field is removed or changes meaning, not when one is added."""

Encoding = Literal["msgpack", "json"]

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Reals = Annotated[list[float], msgspec.Meta(max_length=4096)]
Shares = Annotated[list[Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]], msgspec.Meta(max_length=4096)]
Names = Annotated[list[Name], msgspec.Meta(max_length=4096)]
Counts = Annotated[list[Count], msgspec.Meta(max_length=64)]
Stamps = Annotated[list[Count | None], msgspec.Meta(max_length=64)]
Vector2 = tuple[float, float]
Vector3 = tuple[float, float, float]
Vector4 = tuple[float, float, float, float]
Vectors3 = Annotated[list[Vector3], msgspec.Meta(max_length=4096)]
Vectors4 = Annotated[list[Vector4], msgspec.Meta(max_length=4096)]


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that every message has."""

    schema: Count
    """Version of the format."""
    session: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    """UUID of one run of the publisher."""
    t_publish_ns: Count
    """Time of publication on the publisher's monotonic clock."""


class Angles(Header, frozen=True, kw_only=True):
    """Topic `angles`: the coordinates of one frame, in the order of `meta.model.coordinate_names`."""

    seq: Count
    """Number of the sample within the session, from 0. A gap means that samples were lost on the way."""
    frame_id: Count
    """Number of the source's frame. A gap means that the tracker skipped frames."""
    t_capture_ns: Count
    """Time of capture of the frame on the publisher's monotonic clock."""
    status: Status
    """`tracking`; `unsure`: somebody is in view, but the skeleton does not fit the image, and values may be
    wrong; `warm_up`: the values are not reliable yet; `lost`: nobody is in view."""
    q: Reals
    """Generalized coordinates in rad and m; NaN where unknown."""
    qdot: Reals
    """Generalized speeds in rad/s and m/s; NaN where unknown. Same length as `q`."""
    confidence: Shares
    """Confidence of each coordinate, from 0 to 1; 0 where `q` is NaN. Same length as `q`."""
    pelvis_position_m: Vector3
    """Origin of the pelvis in ground, or of the first body of a model without a pelvis."""
    foot_contact: Vector2 = (math.nan, math.nan)
    """Probability that the right and the left foot are in contact with the floor; NaN where unknown."""
    pelvic_angles: Vector3 = (math.nan, math.nan, math.nan)
    """Clinical angles of the pelvis in rad, in Baker's order: rotation from ground's X (positive where the
    right side is forward), obliquity (positive where the right side is up), tilt (positive where anterior).
    Obliquity and tilt are about the person's own heading, however they turn; NaN where unknown."""
    person: PersonState = PersonState.UNKNOWN
    """`known`: where landmarks lie on this person is known, which makes angles more accurate; `learning`: the
    person stands in the neutral pose; `unknown`: neither, or nothing is learned."""
    advice: Text = ""
    """What the person should do to become known; empty once they are known, or if nothing is learned."""
    views: Counts = []
    """Indices among `meta.cameras` of the views that the sample rests on: the others are missing, show
    nobody, or contradict these. Empty with one camera, and while nobody is in view."""
    view_t_capture_ns: Stamps = []
    """Time at which each view's image was taken, nil where it is missing; `t_publish_ns` minus it is that
    view's latency. Empty with one camera, and where only the moment's own time is known."""
    others: Count = 0
    """Number of people in view besides the tracked ones, as far as they were looked for."""
    events: Names = []
    """Names of the events that the user has marked since the sample before, such as by a key of `live`."""
    person_id: Count = 0
    """Number of the tracked person, from 1, in the order in which people were found: another number is
    another person. 0 before the first, and where people are not told apart."""


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
    """Centre of the joint between each body and its parent, in ground."""
    marker_m: Vectors3
    """Position of each marker in ground, in the order of `meta.model.marker_names`."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """The skeletal model to which the values refer."""

    name: Name
    """Name of the model."""
    sha: Name
    """Hash of the model's content: models with the same hash are the same."""
    coordinate_names: Names
    """Names of the coordinates, in the order of `q`."""
    units: Annotated[list[Literal["rad", "m"]], msgspec.Meta(max_length=4096)]
    """Unit of each coordinate."""
    q_lower: Reals
    """Lower limit of each coordinate; NaN where there is none."""
    q_upper: Reals
    """Upper limit of each coordinate; NaN where there is none."""
    body_names: Names
    """Names of the bodies, in the order of `pose`."""
    body_parents: Annotated[list[Annotated[int, msgspec.Meta(ge=-1, le=4095)]], msgspec.Meta(max_length=4096)]
    """Index of each body's parent, always smaller than the body's own index; -1 is ground."""
    marker_names: Names
    """Names of the markers, in the order of `pose`."""

    @property
    def is_rotational(self) -> list[bool]:
        """True for coordinates in rad."""
        return [unit == "rad" for unit in self.units]


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    """OpenCV pinhole parameters and the camera's pose."""

    width_px: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    """Image width."""
    height_px: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    """Image height."""
    fx: float
    """Focal length along x, in px."""
    fy: float
    """Focal length along y, in px."""
    cx: float
    """Principal point along x, in px from the left."""
    cy: float
    """Principal point along y, in px from the top."""
    distortion: Reals
    """OpenCV's distortion coefficients k1, k2, p1, p2, k3, ...; empty for a camera without distortion."""
    T_ground_cam: tuple[Vector4, Vector4, Vector4, Vector4]
    """Rows of the 4 x 4 transform from camera (X right, Y down, Z forward, in m) to ground."""
    rms_px: float | None = None
    """RMS reprojection error of the calibration; nil where the camera is assumed."""
    name: Text = ""
    """Name of the camera among several; empty for a single one."""


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Ground of all positions and of the pelvis: Y up, X and Z level, in m.

    Until it is settled, in the first seconds of the first person, it may still move; `meta` is then sent at
    once, with a new `camera.T_ground_cam`.
    """

    heading: Name
    """Direction of X: `person` (faced by the person as they first stood), `camera` (towards the camera, or as
    in its file), or the angle in degrees from there, to the person's left."""
    origin: Literal["person", "camera"]
    """Position of the origin: under the pelvis of the `person` as they first stood, or under the `camera`."""
    floor: Literal["calibrated", "feet"]
    """Height of the origin: on the `calibrated` floor, or at the lowest of the `feet` as they first stood."""
    is_settled: bool
    """Whether it stays for the rest of the session."""


class Meta(Header, frozen=True, kw_only=True):
    """Topic `meta`: description of the stream, sent to each new subscriber and once a second."""

    wall_offset_ns: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    """Offset from a time stamp to ns since 1970-01-01 UTC on the publisher's wall clock."""
    model: Model
    """Skeletal model to which `angles` and `pose` refer."""
    camera: Camera | None = None
    """Camera that watches the person; the first of several."""
    cameras: Annotated[list[Camera], msgspec.Meta(max_length=64)] = []
    """All cameras that watch the person, in the order of the views; empty with a single one."""
    ground: Ground | None = None
    """Ground of the samples; nil before the first person, and where it is that of the camera."""
    source: Text = ""
    """Name of the source, such as "camera 0"."""
    estimator: Text = ""
    """Name of the estimator."""
    smoothing_lag_s: float | None = None
    """Mean delay added by smoothing."""
    offline_smoothing: Text = ""
    """How all samples of a recording were smoothed afterwards; empty in a live stream."""
    rate_hz: float | None = None
    """Nominal frame rate of the source."""
    versions: Annotated[dict[Name, Text], msgspec.Meta(max_length=64)] = {}
    """Versions of software and models, by name."""


class StatusMessage(Header, frozen=True, kw_only=True):
    """Topic `status`: heartbeat, sent once a second even while no frame arrives."""

    seq: Count
    """Number of samples sent so far in this session."""
    status: Status
    """Status of the newest sample; `warm_up` before the first."""
    person: PersonState = PersonState.UNKNOWN
    """As in the newest `angles`."""
    advice: Text = ""
    """As in the newest `angles`."""
    fps: float | None = None
    """Samples per second."""
    latency_ms: float | None = None
    """Typical time from capture to publication."""
    dropped_frames: Count = 0
    """Number of frames captured but not estimated in this session."""
    lost_frames: Count = 0
    """Number of samples without a person in this session."""
    note: Text = ""
    """Note for people, such as "camera 0 is gone, trying again"."""


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


def topic_of_person(topic: str, person: int) -> str:
    """A topic of the stream of one person among several: `angles` of the first, `angles/2` of the second.

    Args:
        topic: One of `TOPICS`.
        person: Number of the person, from 1.
    """
    return topic if person == 1 else f"{topic}/{person}"


def encode(message: Message, encoding: Encoding = "msgpack", person: int = 1) -> bytes:
    """Encode a message as one ZeroMQ frame.

    Args:
        message: The message.
        encoding: Encoding of its body.
        person: Number of the person whose stream it belongs to.
    """
    body = _encode_json(message) if encoding == "json" else _encode_msgpack(message)
    prefix = _PREFIXES[type(message)]
    return (prefix if person == 1 else prefix[:-1] + f"/{person} ".encode()) + body


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the message bodies, under `$defs`; `topics` maps each topic to its body."""
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
