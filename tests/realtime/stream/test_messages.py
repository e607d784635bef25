"""The wire format: what goes in comes out, and nothing that comes in does harm."""

from __future__ import annotations

import json
import math
import typing

import jsonschema
import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import StreamError
from realtime.sample import Status
from realtime.stream import messages
from realtime.stream.decoding import MAX_MESSAGE_BYTES, Decoder, MessageError, decode
from realtime.stream.messages import (
    SCHEMA,
    TOPICS,
    Angles,
    Camera,
    Meta,
    Model,
    Pose,
    StatusMessage,
    encode,
    json_schema,
)

SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"
NAN = math.nan

finite = st.floats(allow_nan=False, allow_infinity=False)
number = st.one_of(finite, st.just(NAN))
stamp = st.integers(0, 2**63 - 1)
share = st.one_of(st.floats(0.0, 1.0), st.just(NAN))
vector = st.tuples(number, number, number)
name = st.text(min_size=1, max_size=20)
header = {"schema": st.just(SCHEMA), "session": st.just(SESSION), "t_publish_ns": stamp}
sample = {**header, "seq": stamp, "frame_id": stamp, "t_capture_ns": stamp}
maybe = st.none() | finite


@st.composite
def angles(draw: st.DrawFn, n: int | None = None) -> Angles:
    n = draw(st.integers(0, 50)) if n is None else n
    q = draw(st.lists(number, min_size=n, max_size=n))
    confidence = [0.0 if math.isnan(v) else draw(st.floats(0.0, 1.0)) for v in q]
    qdot = draw(st.lists(number, min_size=n, max_size=n))
    fixed = {k: draw(v) for k, v in sample.items()}
    return Angles(
        **fixed, status=draw(st.sampled_from(Status)), q=q, qdot=qdot, confidence=confidence,
        pelvis_position_m=draw(vector), foot_contact=draw(st.tuples(share, share)),
    )  # fmt: skip


@st.composite
def poses(draw: st.DrawFn, n_bodies: int | None = None, n_markers: int | None = None) -> Pose:
    n = draw(st.integers(0, 8)) if n_bodies is None else n_bodies
    k = draw(st.integers(0, 8)) if n_markers is None else n_markers
    rotation = st.sampled_from([(1.0, 0.0, 0.0, 0.0), (0.5, -0.5, 0.5, -0.5), (NAN, NAN, NAN, NAN)])
    return Pose(
        **{key: draw(v) for key, v in sample.items()},
        body_position_m=draw(st.lists(vector, min_size=n, max_size=n)),
        body_rotation_wxyz=draw(st.lists(rotation, min_size=n, max_size=n)),
        joint_centre_m=draw(st.lists(vector, min_size=n, max_size=n)),
        marker_m=draw(st.lists(vector, min_size=k, max_size=k)),
    )


@st.composite
def metas(draw: st.DrawFn) -> Meta:
    names = draw(st.lists(name, max_size=6, unique=True))
    bodies = draw(st.lists(name, max_size=6, unique=True))
    limits = st.lists(number, min_size=len(names), max_size=len(names))
    units = st.lists(st.sampled_from(["rad", "m"]), min_size=len(names), max_size=len(names))
    row = st.tuples(finite, finite, finite, finite)
    camera = Camera(
        width_px=draw(st.integers(1, 9999)), height_px=draw(st.integers(1, 9999)), fx=draw(finite), fy=1.0,
        cx=2.0, cy=3.0, distortion=draw(st.lists(finite, max_size=8)),
        T_ground_cam=draw(st.tuples(row, row, row, row)), rms_px=draw(maybe),
    )  # fmt: skip
    return Meta(
        **{key: draw(v) for key, v in header.items()},
        wall_offset_ns=draw(st.integers(-(2**63), 2**63 - 1)),
        model=Model(
            name="m", sha="ab", coordinate_names=names, units=draw(units), q_lower=draw(limits),
            q_upper=draw(limits), body_names=bodies,
            body_parents=[draw(st.integers(-1, k - 1)) for k in range(len(bodies))],
            marker_names=draw(st.lists(name, max_size=4, unique=True)),
        ),
        camera=draw(st.none() | st.just(camera)), source=draw(st.text(max_size=30)), estimator="lifted",
        smoothing_lag_s=draw(maybe), rate_hz=draw(maybe),
        versions=draw(st.dictionaries(name, st.text(max_size=9))),
    )  # fmt: skip


@st.composite
def heartbeats(draw: st.DrawFn) -> StatusMessage:
    return StatusMessage(
        **{key: draw(v) for key, v in header.items()}, seq=draw(stamp), status=draw(st.sampled_from(Status)),
        fps=draw(maybe), latency_ms=draw(maybe), dropped_frames=draw(stamp), lost_frames=draw(stamp),
        note=draw(st.text(max_size=100)),
    )  # fmt: skip


any_message = angles() | poses() | metas() | heartbeats()


def canonical(message: messages.Message) -> object:
    """Comparable even where NaN is inside."""
    return json.loads(msgspec.json.encode(message))


@given(any_message, st.sampled_from(["msgpack", "json"]))
def test_every_message_survives_the_wire(message: messages.Message, encoding: messages.Encoding) -> None:
    received = decode(encode(message, encoding))
    assert type(received) is type(message)
    assert canonical(received) == canonical(message)


def test_a_reader_without_this_project_understands_both_encodings() -> None:
    angles_sent = example_angles(q=[0.5, NAN], confidence=[1.0, 0.0])
    topic, _, body = encode(angles_sent).partition(b" ")
    plain = msgpack.unpackb(body)
    assert topic == b"angles"
    assert plain["q"][0] == 0.5 and math.isnan(plain["q"][1]) and plain["status"] == "tracking"
    topic, _, body = encode(angles_sent, "json").partition(b" ")
    assert topic == b"angles"
    assert json.loads(body)["q"] == [0.5, None]


@settings(max_examples=400)
@given(
    st.binary(max_size=200)
    | st.tuples(st.sampled_from([f"{t} ".encode() for t in TOPICS]), st.binary()).map(b"".join)
)
def test_random_bytes_raise_nothing_but_stream_errors(frame: bytes) -> None:
    try:
        message = decode(frame)
    except StreamError:
        return
    assert type(message) in TOPICS.values()


@settings(max_examples=400)
@given(any_message, st.sampled_from(["msgpack", "json"]), st.data())
def test_mutated_messages_raise_nothing_but_stream_errors(
    message: messages.Message, encoding: messages.Encoding, data: st.DataObject
) -> None:
    frame = bytearray(encode(message, encoding))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frame) - 1)) if frame else 0
        cut = data.draw(st.sampled_from(["set", "drop", "insert", "end"]))
        if cut == "set" and frame:
            frame[at] = data.draw(st.integers(0, 255))
        elif cut == "drop":
            del frame[at : at + data.draw(st.integers(1, 8))]
        elif cut == "insert":
            frame[at:at] = data.draw(st.binary(max_size=8))
        else:
            del frame[at:]
    decoder = Decoder()
    try:
        received = decoder.decode(bytes(frame))
    except StreamError:
        assert decoder.refused.total() == 1
    else:
        # What is accepted is whole: it can be sent on.
        assert canonical(decode(encode(received))) == canonical(received)


def example_angles(**changes: typing.Any) -> Angles:
    fields: dict[str, typing.Any] = {
        "schema": SCHEMA, "session": SESSION, "t_publish_ns": 2, "seq": 0, "frame_id": 0, "t_capture_ns": 1,
        "status": Status.TRACKING, "q": [0.1, 0.2], "qdot": [0.0, NAN], "confidence": [1.0, 0.5],
        "pelvis_position_m": (0.0, 1.0, NAN),
    }  # fmt: skip
    return Angles(**(fields | changes))


def example_pose(**changes: typing.Any) -> Pose:
    fields: dict[str, typing.Any] = {
        "schema": SCHEMA, "session": SESSION, "t_publish_ns": 2, "seq": 0, "frame_id": 0, "t_capture_ns": 1,
        "body_position_m": [(0.0, 0.0, 0.0)], "body_rotation_wxyz": [(1.0, 0.0, 0.0, 0.0)],
        "joint_centre_m": [(0.0, 0.0, 0.0)], "marker_m": [],
    }  # fmt: skip
    return Pose(**(fields | changes))


def example_meta(**changes: typing.Any) -> Meta:
    model: dict[str, typing.Any] = {
        "name": "two", "sha": "ab", "coordinate_names": ["a", "b"], "units": ["rad", "m"],
        "q_lower": [-1.0, NAN], "q_upper": [1.0, NAN], "body_names": ["x"], "body_parents": [-1],
        "marker_names": [],
    }  # fmt: skip
    header_fields: dict[str, typing.Any] = {
        "schema": SCHEMA,
        "session": SESSION,
        "t_publish_ns": 0,
        "wall_offset_ns": 0,
    }
    return Meta(**header_fields, model=Model(**(model | changes)))


@pytest.mark.parametrize(
    "message",
    [
        example_angles(q=[0.1]),
        example_angles(qdot=[0.1]),
        example_angles(q=[math.inf, 0.0]),
        example_angles(qdot=[0.0, -math.inf]),
        example_angles(pelvis_position_m=(0.0, math.inf, 0.0)),
        example_angles(confidence=[1.5, 0.0]),
        example_angles(confidence=[-0.1, 0.0]),
        example_angles(confidence=[NAN, 0.0]),
        example_angles(foot_contact=(0.5, 1.5)),
        example_angles(foot_contact=(-0.1, 0.5)),
        example_angles(q=[NAN, 0.0]),
        example_angles(session="not a uuid"),
        example_angles(seq=-1),
        example_angles(frame_id=2**63),
        example_pose(joint_centre_m=[]),
        example_pose(body_position_m=[(0.0, math.inf, 0.0)]),
        example_pose(body_rotation_wxyz=[(1.0, 1.0, 0.0, 0.0)]),
        example_meta(q_lower=[0.0]),
        example_meta(units=["rad"]),
        example_meta(q_upper=[math.inf, 0.0]),
        example_meta(coordinate_names=["a", "a"]),
        example_meta(body_parents=[0]),
        example_meta(body_parents=[]),
        StatusMessage(schema=SCHEMA, session=SESSION, t_publish_ns=0, seq=0, status=Status.LOST, fps=NAN),
    ],
)
def test_a_message_that_breaks_a_rule_is_malformed(message: messages.Message) -> None:
    with pytest.raises(MessageError) as caught:
        decode(encode(message))
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
@pytest.mark.parametrize("field", [f.name for f in msgspec.structs.fields(Angles) if f.required])
def test_no_field_of_a_sample_may_be_missing(field: str, encoding: messages.Encoding) -> None:
    body = msgspec.to_builtins(example_angles())
    del body[field]
    frame = b"angles " + (msgspec.json if encoding == "json" else msgspec.msgpack).encode(body)
    with pytest.raises(MessageError, match=field):
        decode(frame)


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_samples_from_before_feet_were_told_are_read(encoding: messages.Encoding) -> None:
    body = msgspec.to_builtins(example_angles())
    del body["foot_contact"]
    read = decode(b"angles " + (msgspec.json if encoding == "json" else msgspec.msgpack).encode(body))
    assert isinstance(read, Angles)
    assert all(math.isnan(value) for value in read.foot_contact)


def test_a_field_that_is_new_to_this_reader_is_ignored() -> None:
    body = msgspec.to_builtins(example_angles()) | {"later": {"deep": [1, "two"]}}
    assert decode(b"angles " + msgspec.msgpack.encode(body)) is not None


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_another_schema_is_named_even_if_the_rest_is_unreadable(encoding: str) -> None:
    body = {"schema": SCHEMA + 1, "everything": "else"}
    frame = b"angles " + (msgspec.json if encoding == "json" else msgspec.msgpack).encode(body)
    with pytest.raises(MessageError, match=f"schema {SCHEMA + 1}") as caught:
        decode(frame)
    assert caught.value.reason == "schema"


@pytest.mark.parametrize("opening", [b"\x81\xa1a", b"\x91", b'{"a":', b"{" + b'"a":[' * 2])
def test_nesting_without_end_is_refused(opening: bytes) -> None:
    for topic in TOPICS:
        with pytest.raises(MessageError):
            decode(f"{topic} ".encode() + opening * 50_000)


def test_size_is_capped_before_decoding() -> None:
    with pytest.raises(MessageError) as caught:
        decode(b"angles " + b"\xc1" * MAX_MESSAGE_BYTES)
    assert caught.value.reason == "oversized"


def test_the_decoder_counts_refusals_by_reason() -> None:
    decoder = Decoder(max_bytes=5000)
    decoder.decode(encode(example_meta()))
    decoder.decode(encode(example_angles()))
    bad = [
        b"",
        b"spam x",
        b"angles",
        b"angles \xc1",
        bytes(6000),
        encode(example_angles(q=[0.0] * 3, qdot=[0.0] * 3, confidence=[1.0] * 3)),
    ]
    for frame in bad:
        with pytest.raises(MessageError):
            decoder.decode(frame)
    assert decoder.received == 8
    assert decoder.refused == {"unknown_topic": 3, "malformed": 1, "oversized": 1, "mismatch": 1}


def test_lengths_are_checked_against_the_session_they_belong_to() -> None:
    decoder = Decoder()
    decoder.decode(encode(example_meta()))
    three = {"q": [0.0] * 3, "qdot": [0.0] * 3, "confidence": [1.0] * 3}
    with pytest.raises(MessageError, match="3 entries"):
        decoder.decode(encode(example_angles(**three)))
    with pytest.raises(MessageError, match="marker_m"):
        decoder.decode(encode(example_pose(marker_m=[(0.0, 0.0, 0.0)])))
    other = "11111111-2222-3333-4444-555555555555"
    assert decoder.decode(encode(example_angles(session=other, **three))) is not None


@given(any_message)
def test_the_exported_schema_describes_the_json(message: messages.Message) -> None:
    schema = json_schema()
    topic, _, body = encode(message, "json").partition(b" ")
    jsonschema.validate(json.loads(body), {**schema, **schema["topics"][topic.decode()]})


@pytest.mark.parametrize("kind", TOPICS.values())
def test_annotations_of_the_messages_resolve(kind: type) -> None:
    hints = typing.get_type_hints(kind, include_extras=True)
    assert set(hints) >= {f.name for f in msgspec.structs.fields(kind)}
