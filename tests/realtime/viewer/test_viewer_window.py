"""The viewer's window, on a virtual screen, drawn in software."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton, load_skeleton
from realtime.cli import main
from realtime.overlay.style import INK
from realtime.sample import PoseSample, SampleGround
from realtime.stream.publisher import Publisher
from realtime.viewer.hud import KEYS
from tests.support.environment import SYSTEM_PACKAGES, missing
from tests.support.poses import sample_of
from tests.support.screens import virtual_screen

pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("open3d")]
ROOT = Path(__file__).resolve().parents[3]
SIZE_PX = (800, 600)
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def screen() -> Iterator[dict[str, str]]:
    with virtual_screen() as environment:
        yield environment


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def standing(skeleton: Skeleton, k: int = 0) -> PoseSample:
    q = np.where(skeleton.is_locked, skeleton.q_default, 0.0)
    stance = {"pelvis_tx": -3.0, "pelvis_ty": 0.0, "arm_add_r": -1.0, "arm_add_l": -0.3 - 0.001 * (k % 200)}
    for name, value in stance.items():
        q[skeleton.coordinate_index(name)] = value
    return replace(sample_of(skeleton, q, k), confidence=np.ones(skeleton.n_q))


@pytest.fixture
def stream(skeleton: Skeleton) -> Iterator[str]:
    """The address of a tracker that publishes somebody standing."""
    with published(skeleton, lambda k: standing(skeleton, k)) as address:
        yield address


@contextmanager
def published(skeleton: Skeleton, sample_of_frame: Callable[[int], PoseSample]) -> Iterator[str]:
    """The address of a tracker that publishes samples in a thread."""
    camera, n_people = CameraCalibration.assumed(640, 480), len(sample_of_frame(0).people)
    with Publisher("tcp://127.0.0.1:*", skeleton, camera, n_people=n_people) as publisher:
        stop = threading.Event()

        def publish() -> None:
            k = 0
            while not stop.wait(0.02):
                publisher.send(sample_of_frame(k))
                publisher.tick()
                k += 1

        thread = threading.Thread(target=publish)
        thread.start()
        yield publisher.address
        stop.set()
        thread.join()


def beside(skeleton: Skeleton, k: int) -> PoseSample:
    """Two people in one place of their own grounds, which the camera says to be 0.8 m apart."""
    T = CameraCalibration.assumed(640, 480).T_ground_cam
    away = T.copy()
    away[2, 3] -= 0.8
    grounds = [SampleGround(each, "person", "person", "feet", is_settled=True) for each in (T, away)]
    first, second = (replace(standing(skeleton, k), ground=ground) for ground in grounds)
    return replace(first, further_people=(second,))


def test_two_people_stand_beside_each_other_in_their_colours(
    screen: dict[str, str], skeleton: Skeleton, tmp_path: Path
) -> None:
    path = tmp_path / "people.png"
    with published(skeleton, lambda k: beside(skeleton, k)) as address:
        result = view_seen(screen, "--connect", address, "--people", "2", "--screenshot", str(path))
    assert result.returncode == 0, result.stderr
    image = cv2.imread(str(path))
    assert image is not None
    shown = image[60:, 150:].astype(int)
    amber, blue = (
        (shown[..., a] > shown[..., b] + 60) & (shown.max(axis=2) > 90) for a, b in ((2, 0), (0, 2))
    )
    middles = [np.nonzero(part)[1].mean() for part in (amber, blue)]
    assert min(amber.sum(), blue.sum()) > 1000 and abs(middles[0] - middles[1]) > 100


def view(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "realtime.cli", "view", "--size", "800x600", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=PATIENCE_S, cwd=ROOT
    )


_SHOW_UNTIL_SEEN = """
import sys, time
from realtime.cli import main
from realtime.viewer.viewer import Viewer

def run(viewer, *, until_s):
    figures = [viewer.scene.body, *(person.body for person in viewer._further)]
    while not all(figure.is_visible for figure in figures):
        assert viewer.step() and time.monotonic() < until_s, "waited in vain"
    viewer._clocks.panels = viewer._clocks.scenery = -1.0
    viewer.step()

Viewer.run = run
sys.exit(main(sys.argv[1:]))
"""


def view_seen(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`kinecast view`, which shows the stream until everybody in it is seen."""
    words = ["view", "--size", "800x600", "--after", str(PATIENCE_S / 2.0), *arguments]
    return subprocess.run(
        [sys.executable, "-c", _SHOW_UNTIL_SEEN, *words],
        capture_output=True,
        text=True,
        env=environment,
        timeout=PATIENCE_S,
        cwd=ROOT,
    )


def drive(environment: dict[str, str], script: str, *arguments: str) -> str:
    """Run a script with a viewer called `viewer` on `window`; what it printed."""
    code = _PREAMBLE + script
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=PATIENCE_S,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


_PREAMBLE = """
import sys, time
from pathlib import Path
import numpy as np
from realtime.client import subscribe
from realtime.viewer.viewer import Viewer
from realtime.viewer.window import ViewerWindow

window = ViewerWindow("test", (800, 600))
stream = subscribe(sys.argv[1], poses=True)
folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path()
viewer = Viewer(window, stream, address=sys.argv[1], folder=folder)

def until(condition):
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        assert viewer.step()

def picture():
    viewer._clocks.panels = viewer._clocks.scenery = -1.0
    viewer.step()
    return window.picture().astype(int)
"""


def bones(image: np.ndarray) -> np.ndarray:
    """Where something as bright and warm or cool as a bone is, panels left out."""
    shown = image[60:, 240:560]
    return (shown.max(axis=2) > 125) & (np.ptp(shown.astype(int), axis=2) > 12)


def test_it_waits_for_a_stream_and_says_so(screen: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "waiting.png"
    result = view(screen, "--connect", "tcp://127.0.0.1:9", "--screenshot", str(path), "--after", "1")
    assert result.returncode == 0, result.stderr
    assert "no stream" in result.stdout and result.stderr == ""
    image = cv2.imread(str(path))
    assert image is not None and image.shape == (600, 800, 3)
    assert bones(image).mean() < 0.001
    # The state, left above, and the keys, right below, are written on panels.
    for part in (image[10:50, 10:150], image[400:590, 640:790]):
        assert (np.abs(part.astype(int) - INK).max(axis=2) <= 2).mean() > 0.5
        assert (part.min(axis=2) > 180).any()


def test_it_draws_the_skeleton_of_a_stream(screen: dict[str, str], stream: str, tmp_path: Path) -> None:
    path = tmp_path / "figure.jpg"
    result = view_seen(screen, "--connect", stream, "--screenshot", str(path))
    assert result.returncode == 0, result.stderr
    assert "kinecast, tracking" in result.stdout
    image = cv2.imread(str(path))
    assert image is not None
    drawn = bones(image)
    assert 0.01 < drawn.mean() < 0.3
    assert np.ptp(np.flatnonzero(drawn.any(axis=1))) > 250  # as tall as a person seen from nearby
    shown = image[60:, 240:560].astype(int)
    warm = drawn & (shown[..., 2] > shown[..., 0] + 50)
    cool = drawn & (shown[..., 0] > shown[..., 2] + 20)
    # Seen from the front: the person's right on the left.
    assert np.nonzero(warm)[1].mean() < np.nonzero(cool)[1].mean() - 10


def test_keys_switch_and_turn(screen: dict[str, str], stream: str, tmp_path: Path) -> None:
    script = """
until(lambda: viewer.scene.body.is_visible)
before = picture()
panel = np.s_[100:330, 20:150]
window.press("P")
print("angles gone", bool((picture()[panel] != before[panel]).any()))
window.press("P")
window.press("K")
print("keys gone", bool((picture()[400:560, 660:780] != before[400:560, 660:780]).any()))
front = window.view.T_cam_ground[:3, :3]
for key, axis in (("2", 2), ("3", 1), ("1", 0)):
    window.press(key)
    for _ in range(3):
        viewer.step()
    backward = -window.view.T_cam_ground[2, :3]
    print(key, int(np.argmax(np.abs(backward))) == axis and backward[axis] > 0.9)
window.press("4")
for _ in range(3):
    viewer.step()
toward_camera = -window.view.T_cam_ground[2, :3]
print("camera", bool(toward_camera[0] > 0.95))
for key in "TCGABF":
    window.press(key)
    viewer.step()
window.press("S")
print("saved", len(list(folder.glob("*.png"))))
window.press("Q")
print("ended", not viewer.step())
"""
    printed = drive(screen, script, stream, str(tmp_path)).splitlines()
    assert printed == [
        "angles gone True",
        "keys gone True",
        *[f"{key} True" for key in "231"],
        "camera True",
        "saved 1",
        "ended True",
    ]


def test_real_key_presses_arrive(screen: dict[str, str], stream: str, tmp_path: Path) -> None:
    """Through the X server, as a person's would."""
    script = """
import ctypes
x11, xtst = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
x11.XOpenDisplay.restype = ctypes.c_void_p
display = ctypes.c_void_p(x11.XOpenDisplay(None))
until(lambda: viewer.scene.body.is_visible)
for keysym in (0x74, 0x6B):
    code = x11.XKeysymToKeycode(display, ctypes.c_ulong(keysym))
    for pressed in (1, 0):
        xtst.XTestFakeKeyEvent(display, code, pressed, ctypes.c_ulong(0))
    x11.XFlush(display)
until(lambda: not viewer.shown.trails and not viewer.shown.keys)
print("arrived")
"""
    if not _has_library("libXtst.so.6"):
        missing(f"needs libxtst6; {SYSTEM_PACKAGES}")
    assert drive(screen, script, stream).split() == ["arrived"]


def _has_library(name: str) -> bool:
    import ctypes

    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def test_it_survives_restarts_of_the_tracker(
    screen: dict[str, str], skeleton: Skeleton, tmp_path: Path
) -> None:
    """Silence, then another session at the same address."""
    with Publisher("tcp://127.0.0.1:*", skeleton) as publisher:
        address = publisher.address
    done = tmp_path / "done"
    n_started = 0

    def publish() -> None:
        nonlocal n_started
        while not done.exists():
            with Publisher(address, skeleton) as publisher:
                n_started += 1
                k = 0
                while not done.exists() and not (tmp_path / f"stop{n_started}").exists():
                    publisher.send(standing(skeleton, k))
                    publisher.tick()
                    k += 1
                    done_waiting.wait(0.02)
            while not done.exists() and not (tmp_path / f"go{n_started}").exists():
                done_waiting.wait(0.02)

    done_waiting = threading.Event()
    thread = threading.Thread(target=publish)
    thread.start()
    script = """
import realtime.viewer.scene
realtime.viewer.scene.SILENCE_S = 0.5
for k in range(3):
    until(lambda: viewer.scene.body.is_visible and stream.restarts == k)
    print("seen", k)
    (folder / f"stop{k + 1}").touch()
    until(lambda: not viewer.scene.body.is_visible)
    print("waiting")
    (folder / f"go{k + 1}").touch()
"""
    try:
        printed = drive(screen, script, address, str(tmp_path)).splitlines()
    finally:
        done.touch()
        done_waiting.set()
        thread.join()
    assert printed == ["seen 0", "waiting", "seen 1", "waiting", "seen 2", "waiting"]


def test_panels_stay_in_place_when_the_eye_moves(screen: dict[str, str], stream: str) -> None:
    script = """
until(lambda: viewer.scene.body.is_visible)
window.press("T"), window.press("F"), window.press("C")
corner = np.s_[:30, :120]
before = picture()[corner]
same = []
for k in range(6):
    window._control.rotate(60.0, 25.0)
    window._control.scale(1.0)
    viewer.step()
    same.append(bool((np.abs(picture()[corner] - before).max(axis=2) > 8).mean() < 0.2))
print(all(same))
"""
    assert drive(screen, script, stream).split() == ["True"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--ghost", "nowhere"], "no such recording"),
        (["--connect", "tcp://nowhere"], "tcp://nowhere"),
        (["--geometry", "."], "--skeleton"),
        (["--screenshot", "/nowhere/at/all.png"], "/nowhere/at/all.png"),
        (["--size", "8"], "1280x720"),
    ],
)
def test_wrong_usage_is_refused_in_one_line(
    screen: dict[str, str],
    arguments: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DISPLAY", screen["DISPLAY"])
    monkeypatch.setattr(os, "nice", lambda by: 0)  # the other tests go on at their pace
    assert main(["view", *arguments]) == 2
    complaint = capsys.readouterr().err
    assert says in complaint and len(complaint.splitlines()) == 1


def test_without_a_screen_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has sessions without a screen")
    kept = {name: os.environ.pop(name, None) for name in ("DISPLAY", "WAYLAND_DISPLAY")}
    try:
        assert main(["view"]) == 2
    finally:
        os.environ.update({name: value for name, value in kept.items() if value is not None})
    assert "no screen here" in capsys.readouterr().err


def test_the_help_lists_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    main(["view", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{key}: {does}" in shown for key, does in KEYS)
