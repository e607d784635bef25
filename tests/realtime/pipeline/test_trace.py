import json
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

from realtime.errors import RecordingError
from realtime.pipeline.pipeline import Pipeline, PipelineOptions
from realtime.pipeline.slot import SlotPolicy
from realtime.pipeline.trace import Trace
from tests.support.fakes import FakeEstimator, FakeSource

# Written down from the document "Trace Event Format": what each phase must have.
COMMON = {"name": {"type": "string"}, "pid": {"type": "integer"}, "tid": {"type": "integer"}}
TIMED = COMMON | {
    "ts": {"type": "number", "minimum": 0},
    "cat": {"type": "string"},
    "args": {"type": "object"},
}


def phase(letter: str, properties: dict, **more: dict) -> dict:
    fields = {"ph": {"const": letter}} | properties | more
    return {"type": "object", "properties": fields, "required": [*fields], "additionalProperties": False}


SCHEMA = {
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "traceEvents": {
            "type": "array",
            "items": {
                "oneOf": [
                    phase("X", TIMED, dur={"type": "number", "minimum": 0}),
                    phase("b", TIMED, id={"type": "integer"}),
                    phase("e", TIMED, id={"type": "integer"}),
                    phase("i", TIMED, s={"enum": ["g", "p", "t"]}),
                    phase("M", COMMON, args={"type": "object", "required": ["name"]}),
                ]
            },
        },
    },
}


def saved(trace: Trace, path: Path) -> list[dict]:
    trace.save(path)
    document = json.loads(path.read_text())
    jsonschema.validate(document, SCHEMA)
    return document["traceEvents"]


def test_a_run_becomes_a_trace_of_the_documented_format(tmp_path: Path):
    trace, source = Trace(), FakeSource(20)
    source.open()

    class Sink:
        def write(self, frame, sample, stats):
            pass

        def close(self):
            pass

    options = PipelineOptions(policy=SlotPolicy.WAIT)
    Pipeline(source, FakeEstimator(), sink=Sink(), options=options, trace=trace).run()
    events = saved(trace, tmp_path / "trace.json")
    counts = Counter(event["name"] for event in events)
    assert counts["estimate"] == counts["publish"] == counts["output"] == 20
    assert not counts["wait"]  # a file's frames are stamped on their own clock
    tracks = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert set(tracks.values()) == {"estimate", "output"}
    assert {event["tid"] for event in events if event["ph"] != "M"} == set(tracks)


def test_spans_of_a_track_nest(tmp_path: Path):
    trace, source = Trace(), FakeSource(60, is_live=True, fps=400.0)
    source.open()
    Pipeline(source, FakeEstimator(), trace=trace).run()
    open_ends: dict[int, list[float]] = {}
    for event in saved(trace, tmp_path / "trace.json"):
        if event["ph"] != "X":
            continue
        ends = open_ends.setdefault(event["tid"], [])
        while ends and ends[-1] <= event["ts"] + 1e-3:
            ends.pop()
        assert not ends or event["ts"] + event["dur"] <= ends[-1] + 1e-3
        ends.append(event["ts"] + event["dur"])


def test_asynchronous_spans_begin_and_end(tmp_path: Path):
    trace = Trace()
    trace.add_flow("frames", "frame", 1, 10_000, 50_000)
    trace.add_flow("frames", "frame", 2, 20_000, 60_000)
    events = [e for e in saved(trace, tmp_path / "trace.json") if e["ph"] in "be"]
    assert [(e["ph"], e["id"], e["ts"]) for e in events] == [
        ("b", 1, 10.0), ("b", 2, 20.0), ("e", 1, 50.0), ("e", 2, 60.0),
    ]  # fmt: skip


def test_an_endless_run_stays_small(tmp_path: Path):
    trace = Trace(max_events=50)
    for k in range(60):
        trace.add_instant("screen", "bright", k)
    events = saved(trace, tmp_path / "trace.json")
    assert [event["ts"] for event in events if event["ph"] == "i"] == [k / 1e3 for k in range(10, 60)]


def test_a_trace_that_cannot_be_written_is_refused(tmp_path: Path):
    with pytest.raises(RecordingError, match="cannot be written"):
        Trace().save(tmp_path / "nowhere" / "trace.json")
