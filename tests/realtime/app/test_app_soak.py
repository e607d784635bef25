"""Half an hour of the app beside its tracker, with an open page and a recording.

`pytest -m soak -s tests/realtime/app/test_app_soak.py`, on Linux, with the development data.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from realtime.client import subscribe
from realtime.control.messages import read_control_file
from realtime.control.remote import Remote
from realtime.recording.log import LOG_NAME, StreamLog
from tests.support.browser import browser_page
from tests.support.environment import import_or_skip
from tests.support.running_app import running_app

DURATION_S = 1800.0
LOOK_S = 10.0
MOST_GROWTH_MB = 10.0
"""Of the last quarter over the second one, in the middle."""


class Listener:
    """An independent subscriber, which counts what it misses.

    Args:
        address: Address of the stream.
    """

    def __init__(self, address: str) -> None:
        self.stamps_ns: list[int] = []
        """Times of capture of all samples that came."""
        self.n_missed = 0
        self._address, self._is_ending = address, threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_ending.set()
        self._thread.join()

    def _listen(self) -> None:
        with subscribe(self._address) as stream:
            while not self._is_ending.is_set():
                if (sample := stream.receive(0.2)) is not None:
                    self.stamps_ns.append(sample.t_capture_ns)
                self.n_missed = stream.missed


def resident_mb(pid: int) -> float:
    """Memory of a process that is in use."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024.0


@pytest.mark.soak
@pytest.mark.timeout(3 * DURATION_S)
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
def test_memory_stays_the_same_and_no_sample_is_lost(tmp_path: Path, shared_data: Path) -> None:
    import_or_skip("nicegui", "pip install 'kinecast[app]'")
    import_or_skip("av", "pip install 'kinecast[record]'")
    from tests.support.looped import write_looped

    video = tmp_path / "camera.mkv"
    write_looped(shared_data / "real/squat_arms/cam1.mp4", video, DURATION_S + 120.0)
    with running_app(tmp_path, program="realtime.cli") as app, browser_page(tmp_path / "profile") as page:
        page.resize(1280, 720)
        page.visit(app.url)
        page.fill("[data-source]", str(video))
        page.click("[data-start=typed]")
        page.wait_for("document.querySelector('[data-status]')?.innerText.includes('frames/s')", 300.0)
        page.click("[data-record]")
        file = read_control_file(app.control_path)
        remote = Remote(file, timeout_s=30.0)
        listener = Listener(remote.state().stream_address)
        memory_mb = []
        end_s = time.monotonic() + DURATION_S
        while time.monotonic() < end_s:
            memory_mb.append((resident_mb(app.process.pid), resident_mb(file.pid)))
            status = page.text_of("[data-status]")
            print(f"app {memory_mb[-1][0]:.1f} MB, tracker {memory_mb[-1][1]:.1f} MB; {status}", flush=True)
            assert "lost on the way" not in status
            page.events.clear()
            time.sleep(LOOK_S)
        listener.close()
        page.click("[data-record]")
        page.wait_for("document.querySelector('[data-record]').innerText.trim().endsWith('Record')")
        page.wait_for("!document.querySelector('[data-recording]').innerText.includes('Finishing')", 600.0)
        remote.close()
    (folder,) = app.recordings.iterdir()
    recorded_ns = np.array([angles.t_capture_ns for angles, _ in StreamLog(folder / LOG_NAME).samples()])
    heard_ns = np.array(listener.stamps_ns)
    start_ns, end_ns = max(recorded_ns[0], heard_ns[0]), min(recorded_ns[-1], heard_ns[-1])
    both = [stamps[(stamps >= start_ns) & (stamps <= end_ns)] for stamps in (recorded_ns, heard_ns)]
    quarter = len(memory_mb) // 4
    before_mb, after_mb = (np.median(memory_mb[k * quarter : (k + 1) * quarter], axis=0) for k in (1, 3))
    print(f"{len(heard_ns)} samples came, {listener.n_missed} were missed, {len(recorded_ns)} are recorded")
    print(f"second quarter {before_mb} MB, last quarter {after_mb} MB (app, tracker)")
    assert listener.n_missed == 0
    assert len(both[0]) > 0.8 * len(recorded_ns) and np.array_equal(*both)
    assert (after_mb - before_mb < MOST_GROWTH_MB).all()
