"""What a program reads from a refusal, besides its text."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from calib.camera import CameraCalibration
from realtime.commands.arguments import check_coordinates
from realtime.errors import RealtimeError, RecordingError, SourceError
from realtime.estimators.build import ESTIMATOR_NAMES, make_estimator
from realtime.options import EstimatorOptions
from realtime.sources.parse import URL_SCHEMES, parse_source


def test_an_unknown_estimator_is_named_with_those_that_exist() -> None:
    with pytest.raises(RealtimeError) as caught:
        make_estimator(EstimatorOptions(estimator="magic"), CameraCalibration.assumed(64, 48))
    error = caught.value
    assert (error.name, error.value, error.accepted) == ("estimator", "magic", ESTIMATOR_NAMES)
    assert str(error) == f"no estimator 'magic'; accepted: {', '.join(ESTIMATOR_NAMES)}"


def test_an_unknown_stream_is_named_with_the_accepted_schemes() -> None:
    with pytest.raises(SourceError) as caught:
        parse_source("gopher://host")
    assert (caught.value.name, caught.value.value) == ("source", "gopher://host")
    assert caught.value.accepted == URL_SCHEMES


def test_unknown_coordinates_are_named_with_those_that_exist() -> None:
    with pytest.raises(RealtimeError) as caught:
        check_coordinates(["a", "z"], ("a", "b"))
    assert (caught.value.value, caught.value.accepted) == (["z"], ("a", "b"))


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    path.write_bytes(np.arange(20, dtype=np.uint8).tobytes())
    with pytest.raises(SourceError) as caught:
        parse_source(str(tmp_path)).open()
    assert caught.value.value == path


def test_attributes_cross_processes_and_are_optional() -> None:
    error = RecordingError("full", name="out", value=Path("x"), accepted=["y"])
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.name, copy.value, copy.accepted) == ("full", "out", Path("x"), ("y",))
    plain = RealtimeError("text")
    assert (plain.name, plain.value, plain.accepted) == (None, None, ())
