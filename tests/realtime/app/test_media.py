"""Images, thumbnails and sounds that the pages show."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import pytest

from calib.skeleton import load_skeleton
from realtime.errors import SourceError
from realtime.recording.recorder import Recorder
from realtime.sample import Frame
from tests.support.environment import import_or_skip
from tests.support.poses import sample_of

SKELETON = load_skeleton()
N_IMAGES, RATE_HZ = 60, 30.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording whose video gets brighter from image to image."""
    root = tmp_path_factory.mktemp("root")
    with Recorder(root / "bright", SKELETON, rate_hz=RATE_HZ) as recorder:
        for k in range(N_IMAGES):
            sample = sample_of(SKELETON, SKELETON.q_default, k, t_capture_ns=10**9 + round(k * 1e9 / RATE_HZ))
            recorder.write(sample, np.full((96, 128, 3), 4 * k, dtype=np.uint8))
    (root / "blind").mkdir()
    (root / "blind" / "stream.msgpack").write_bytes((root / "bright" / "stream.msgpack").read_bytes())
    return root


@pytest.fixture
def tracker() -> SimpleNamespace:
    return SimpleNamespace(is_on=False)


@pytest.fixture
def client(root: Path, tracker: SimpleNamespace) -> Iterator[Any]:
    testing = import_or_skip("fastapi.testclient", "pip install 'kinecast[app]'")
    from fastapi import FastAPI

    from realtime.app.media import add_media

    app = FastAPI()
    state: Any = SimpleNamespace(recordings=root, tracker=tracker)
    add_media(app, state, lambda: False)
    with testing.TestClient(app) as client:
        yield client


def decoded(jpeg: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def test_the_image_of_a_time_is_that_of_the_frame_then(client: Any, root: Path):
    order = [0, 1, 2, 30, 31, 10, 59, 3, 45, 44, 20]  # forward, in leaps, and back
    for k in order:
        answer = client.get(f"/media/recordings/bright/image.jpg?t_s={k / RATE_HZ:.3f}")
        assert answer.status_code == 200
        assert abs(decoded(answer.content).mean() - 4 * k) < 5.0, k


@pytest.mark.parametrize("name", ["blind", "nobody"])
def test_a_recording_without_video_has_no_image(client: Any, name: str):
    assert client.get(f"/media/recordings/{name}/image.jpg?t_s=0.1").status_code == 404


def test_after_the_end_the_last_image_stays_and_earlier_ones_come_back(client: Any):
    for time_s, k in ((9.9, N_IMAGES - 1), (0.5, 15), (2.05, N_IMAGES - 1)):
        answer = client.get(f"/media/recordings/bright/image.jpg?t_s={time_s}")
        assert answer.status_code == 200 and abs(decoded(answer.content).mean() - 4 * k) < 5.0


class TealCamera:
    """A camera that sees one colour, or nothing."""

    width_px, height_px = 640, 480
    is_plugged = True

    def __init__(self, index: int) -> None:
        self.index = index

    def open(self) -> None:
        if not self.is_plugged:
            raise SourceError("camera 0 cannot be opened")

    def read(self) -> Frame:
        return Frame(0, 1, np.full((480, 640, 3), (110, 118, 15), dtype=np.uint8))

    def close(self) -> None:
        pass


def test_a_thumbnail_is_small_and_in_the_cameras_colours(client: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("realtime.sources.cameras.CameraSource", TealCamera)
    image = decoded(client.get("/media/cameras/0.jpg").content)
    assert image.shape == (240, 320, 3)
    np.testing.assert_allclose(image.mean((0, 1)), (110, 118, 15), atol=3.0)


def test_no_thumbnail_where_there_is_no_image_or_the_tracker_has_the_camera(
    client: Any, tracker: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("realtime.sources.cameras.CameraSource", TealCamera)
    monkeypatch.setattr(TealCamera, "is_plugged", False)
    assert client.get("/media/cameras/0.jpg").status_code == 404
    tracker.is_on = True
    assert client.get("/media/cameras/0.jpg").status_code == 409


@pytest.mark.parametrize(("name", "frequency_hz"), [("band", 660.0), ("repetition", 990.0)])
def test_sounds_have_their_pitch(client: Any, name: str, frequency_hz: float):
    with wave.open(io.BytesIO(client.get(f"/media/sounds/{name}.wav").content)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2").astype(float)
        loudest = np.abs(np.fft.rfft(samples, 2**16)).argmax() * sound.getframerate() / 2**16
    assert loudest == pytest.approx(frequency_hz, abs=10.0)
    assert np.abs(samples).max() < 2**15 - 1 and abs(samples[0]) < 100 and abs(samples[-1]) < 100


def test_a_report_gets_no_scripts(client: Any, root: Path):
    (root / "bright" / "report.html").write_text("<script>alert(1)</script>")
    policy = client.get("/media/recordings/bright/report.html").headers["content-security-policy"]
    assert policy.startswith("sandbox") and "allow-scripts" not in policy and "default-src 'none'" in policy
    assert "media-src http://testserver/media/recordings/bright/overlay.mp4;" in policy


def test_a_name_adds_nothing_to_the_policy_of_a_report(client: Any, root: Path):
    name = "a; script-src *, b"
    (root / name).mkdir()
    for file in ("stream.msgpack", "report.html"):
        (root / name / file).write_bytes(b"any")
    answer = client.get(f"/media/recordings/{quote(name)}/report.html")
    assert answer.status_code == 200
    assert [d.split()[0] for d in answer.headers["content-security-policy"].split(";")] == [
        "sandbox", "default-src", "style-src", "img-src", "media-src", "frame-ancestors"
    ]  # fmt: skip
    assert "," not in answer.headers["content-security-policy"]


def test_the_video_is_given_in_parts(client: Any, root: Path):
    content = (root / "bright" / "overlay.mp4").read_bytes()
    answer = client.get("/media/recordings/bright/overlay.mp4", headers={"range": "bytes=10-29"})
    assert (answer.status_code, answer.content) == (206, content[10:30])
    assert client.get("/media/recordings/blind/overlay.mp4").status_code == 404
