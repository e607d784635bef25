"""Decoding and validation of messages; invalid ones are refused and counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec

from realtime.errors import StreamError
from realtime.stream.messages import SCHEMA, TOPICS, Angles, Message, Meta, Model, Pose

MAX_MESSAGE_BYTES = 1 << 20
"""Longer messages are refused without decoding; a pose of a 58-body model takes about 10 kB."""

_DECODERS = {topic.encode(): msgspec.msgpack.Decoder(kind) for topic, kind in TOPICS.items()}
_LONGEST_TOPIC = max(map(len, TOPICS)) + len("/99")


class MessageError(StreamError):
    """A message that cannot be accepted; `reason` is the counter under which it falls."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def decode(frame: bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> Message:
    """Decode one frame and check everything that can be checked without the stream's `meta`.

    Raises:
        MessageError: (a StreamError) the frame is not a whole, valid message of this schema.
    """
    if len(frame) > max_bytes:
        raise MessageError("oversized", f"message of {len(frame)} bytes; accepted: at most {max_bytes}")
    head, separator, body = frame.partition(b" ")
    topic, is_further, person = head.partition(b"/")
    is_known = len(head) <= _LONGEST_TOPIC and topic in _DECODERS and (not is_further or person.isdigit())
    if not (separator and is_known):
        shown = frame[:16].decode("ascii", "backslashreplace")
        raise MessageError("unknown_topic", f"message begins with {shown!r}; accepted: {', '.join(TOPICS)}")
    try:
        message = _decode_body(topic, body)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        _refuse_other_schema(body)
        raise MessageError("malformed", f"malformed {topic.decode()} message: {error}") from error
    if message.schema != SCHEMA:
        _refuse_other_schema(body)
    _check(message)
    return message


class Decoder:
    """Decodes a subscriber's frames, checks them against the stream's `meta`, and counts refused ones."""

    def __init__(self, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.meta: Meta | None = None
        """The newest `meta`; None until the first arrives."""
        self.received = 0
        self.refused: Counter[str] = Counter()
        """Refused messages by reason: oversized, unknown_topic, malformed, schema, mismatch."""

    def decode(self, frame: bytes) -> Message:
        """Decode one frame.

        Raises:
            MessageError: as `decode`, and where lengths disagree with the session's `meta`.
        """
        self.received += 1
        try:
            message = decode(frame, self.max_bytes)
            if isinstance(message, Meta):
                self.meta = message
            elif self.meta is not None and message.session == self.meta.session:
                check_lengths(message, self.meta.model)
        except MessageError as error:
            self.refused[error.reason] += 1
            raise
        return message


def check_lengths(message: Message, model: Model) -> None:
    """Refuse a message whose arrays do not have the lengths of `model`.

    Raises:
        MessageError: a length differs; the text names the field and both lengths.
    """
    if isinstance(message, Angles):
        _check_length("q", len(message.q), len(model.coordinate_names), model)
    elif isinstance(message, Pose):
        _check_length("body_position_m", len(message.body_position_m), len(model.body_names), model)
        _check_length("marker_m", len(message.marker_m), len(model.marker_names), model)


def _check_length(field: str, found: int, expected: int, model: Model) -> None:
    if found != expected:
        raise MessageError("mismatch", f"{field} has {found} entries, the model {model.name} {expected}")


class _Schema(msgspec.Struct):
    schema: int


def _decode_body(topic: bytes, body: bytes) -> Message:
    decoder = _DECODERS[topic]
    if body[:1] != b"{":
        return decoder.decode(body)
    return msgspec.convert(_undefined_to_nan(msgspec.json.decode(body)), TOPICS[topic.decode()])


def _undefined_to_nan(value: Any) -> Any:
    """JSON has no NaN: `null` inside an array stands for it."""
    if isinstance(value, list):
        return [math.nan if item is None else _undefined_to_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: _undefined_to_nan(item) for key, item in value.items()}
    return value


def _refuse_other_schema(body: bytes) -> None:
    """Raise for a body of another schema version, which may fail to decode anywhere."""
    decode_body = msgspec.json.decode if body[:1] == b"{" else msgspec.msgpack.decode
    try:
        found = decode_body(body, type=_Schema).schema
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return
    if found != SCHEMA:
        text = f"message of schema {found}, this kinecast reads {SCHEMA}; update the older of the two"
        raise MessageError("schema", text)


def _check(message: Message) -> None:
    if isinstance(message, Angles):
        _check_angles(message)
    elif isinstance(message, Pose):
        _check_pose(message)
    elif isinstance(message, Meta):
        _check_meta(message)
    else:
        _check_scalars(message, "fps", "latency_ms")


def _check_angles(angles: Angles) -> None:
    q, qdot, confidence = angles.q, angles.qdot, angles.confidence
    if not len(q) == len(qdot) == len(confidence):
        _malformed(f"q, qdot and confidence have {len(q)}, {len(qdot)} and {len(confidence)} entries")
    for values in (q, qdot, angles.pelvis_position_m, angles.pelvic_angles):
        _check_not_infinite("q, qdot, position and pelvic angles", values)
    if any(value < 0.0 or value > 1.0 for value in angles.foot_contact):
        _malformed("foot_contact outside 0 to 1")
    if math.isfinite(sum(q)):  # the common case: nothing is undefined
        return
    if any(math.isnan(value) and trust > 0.0 for value, trust in zip(q, confidence, strict=True)):
        _malformed("confidence above 0 where q is NaN")


def _check_pose(pose: Pose) -> None:
    n_bodies = len(pose.body_position_m)
    if not n_bodies == len(pose.body_rotation_wxyz) == len(pose.joint_centre_m):
        _malformed("positions, rotations and joint centres differ in number")
    _check_not_infinite("position", [*chain(*pose.body_position_m, *pose.joint_centre_m, *pose.marker_m)])
    for w, x, y, z in pose.body_rotation_wxyz:
        square = w * w + x * x + y * y + z * z
        if not (0.99 < square < 1.01 or all(map(math.isnan, (w, x, y, z)))):
            _malformed(f"rotation {(w, x, y, z)} is not a unit quaternion")


def _check_meta(meta: Meta) -> None:
    model, camera = meta.model, meta.camera
    if not len(model.coordinate_names) == len(model.units) == len(model.q_lower) == len(model.q_upper):
        _malformed("coordinate names, units and limits differ in number")
    if len(model.body_names) != len(model.body_parents):
        _malformed("body names and parents differ in number")
    for names in (model.coordinate_names, model.body_names, model.marker_names):
        if len(set(names)) != len(names):
            _malformed("a name occurs twice")
    if any(parent >= index for index, parent in enumerate(model.body_parents)):
        _malformed("a body comes before its parent")
    _check_not_infinite("limit", model.q_lower + model.q_upper)
    _check_scalars(meta, "smoothing_lag_s", "rate_hz")
    if camera is not None:
        _check_scalars(camera, "fx", "fy", "cx", "cy", "rms_px")
        if not all(map(math.isfinite, chain(camera.distortion, *camera.T_ground_cam))):
            _malformed("camera parameters that are not finite")


def _check_not_infinite(what: str, values: Sequence[float]) -> None:
    if math.inf in values or -math.inf in values:
        _malformed(f"infinite {what}")


def _check_scalars(struct: msgspec.Struct, *fields: str) -> None:
    for field in fields:
        value = getattr(struct, field)
        if value is not None and not math.isfinite(value):
            _malformed(f"{field} is {value}; accepted: a finite number or nil")


def _malformed(text: str) -> None:
    raise MessageError("malformed", text)
