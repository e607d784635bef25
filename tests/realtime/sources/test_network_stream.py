"""A real stream over HTTP that ends and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import pytest

from realtime.errors import SourceError
from realtime.sources import cameras
from realtime.sources.parse import parse_source
from tests.support.mp4 import picture


class Mjpeg(BaseHTTPRequestHandler):
    """A network camera: JPEG images without end."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        data = cv2.imencode(".jpg", picture(5))[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        try:
            while not self.server.is_over.is_set():
                self.wfile.write(head + data + b"\r\n")
                time.sleep(0.01)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int) -> None:
        self.is_over = threading.Event()
        super().__init__(("127.0.0.1", port), Mjpeg)


@contextmanager
def camera_on(port: int) -> Iterator[int]:
    server = Server(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join(10.0)


def test_a_network_camera_that_restarts_is_found_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cameras, "RETRY_FIRST_S", 0.05)
    with camera_on(0) as port:
        source = parse_source(f"http://127.0.0.1:{port}/video")
        source.open()
        assert (source.width_px, source.height_px) == (64, 48)
        stamps_ns = [source.read().t_capture_ns for _ in range(5)]
    frames = []

    def read_on() -> None:
        # What the network still holds comes first; the frame wanted is one read after the loss.
        was_gone = False
        while (frame := source.read()) is not None:
            if was_gone:
                frames.append(frame)
                return
            was_gone = was_gone or is_gone.is_set()

    is_gone = threading.Event()
    reader = threading.Thread(target=read_on)
    reader.start()
    deadline_s = time.monotonic() + 60.0
    while not source.note and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert source.note.endswith("is gone, trying again")
    is_gone.set()
    with camera_on(port):
        reader.join(60.0)
        assert frames and frames[0].t_capture_ns > stamps_ns[-1]
        assert source.note == ""
        source.interrupt()
        source.close()


def test_a_network_camera_that_is_not_there_is_refused():
    with camera_on(0) as port:
        pass
    with pytest.raises(SourceError, match=rf"http://127\.0\.0\.1:{port}/video: no images"):
        parse_source(f"http://127.0.0.1:{port}/video").open()
