"""What the pages show that is no text: live images, images of recordings, thumbnails, reports, sounds."""

from __future__ import annotations

import io
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from realtime.app.options import AppError
from realtime.app.recordings import find_recording
from realtime.app.state import AppState
from realtime.control.messages import ControlError
from realtime.errors import RealtimeError
from realtime.recording.video import OVERLAY_NAME

BOUNDARY = "kinecast-image"
REPORT_NAME = "report.html"
THUMBNAIL_PX = 320
LIVE_HEADERS = {"cache-control": "no-store", "content-encoding": "identity"}
"""Live images are neither kept nor packed once more."""
REPORT_POLICY = (
    "sandbox allow-popups allow-same-origin; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "media-src {video}; frame-ancestors 'self'"
)
"""A report may come from elsewhere: it gets no scripts, and nothing of the app but the video beside it."""
CSP_ESCAPES = {ord(";"): "%3B", ord(","): "%2C"}
"""What would end an address in a policy."""
SOUNDS = {"band": (660.0, 0.09), "repetition": (990.0, 0.22)}
"""Name of a sound -> frequency in Hz and duration in s."""
SOUND_HZ = 22_050


def add_media(app: FastAPI, state: AppState, is_ending: Callable[[], bool]) -> None:
    """Declare the routes.

    Args:
        app: Application to add them to.
        state: State of the app.
        is_ending: Function that returns whether the server is ending, and live images with it.
    """
    videos = RecordedImages()

    @app.get("/media/live.mjpg")
    def live() -> Response:
        media_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        return StreamingResponse(live_images(state, is_ending), media_type=media_type, headers=LIVE_HEADERS)

    @app.get("/media/cameras/{index}.jpg")
    def camera(index: int) -> Response:
        if state.tracker.is_on:
            raise HTTPException(409, "the tracker may be using this camera")
        return Response(thumbnail(index), media_type="image/jpeg", headers=LIVE_HEADERS)

    @app.get("/media/recordings/{name}/image.jpg")
    def image(name: str, t_s: float = 0.0) -> Response:
        jpeg = videos.at(_file(state, name, OVERLAY_NAME), t_s)
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "no-store"})

    @app.get("/media/recordings/{name}/overlay.mp4")
    def video(name: str) -> Response:
        path = _file(state, name, OVERLAY_NAME)
        return FileResponse(path, media_type="video/mp4", headers={"cache-control": "no-store"})

    @app.get("/media/recordings/{name}/report.html")
    def report(name: str, request: Request) -> Response:
        path = _file(state, name, REPORT_NAME)
        beside = f"{str(request.url).rpartition('/')[0]}/{OVERLAY_NAME}"
        policy = REPORT_POLICY.format(video=beside.translate(CSP_ESCAPES))
        return FileResponse(path, headers={"content-security-policy": policy, "cache-control": "no-store"})

    @app.get("/media/sounds/{name}.wav")
    def sound(name: str) -> Response:
        if name not in SOUNDS:
            raise HTTPException(404)
        return Response(tone(*SOUNDS[name]), media_type="audio/wav")


def _folder(state: AppState, name: str) -> Path:
    try:
        return find_recording(state.recordings, name)
    except AppError as error:
        raise HTTPException(404, str(error)) from error


def _file(state: AppState, name: str, file_name: str) -> Path:
    """A file of a recording; links to elsewhere are none."""
    path = _folder(state, name) / file_name
    if path.is_symlink() or not path.is_file():
        raise HTTPException(404, f"the recording has no {file_name}")
    return path


def live_images(state: AppState, is_ending: Callable[[], bool]) -> Iterator[bytes]:
    """Parts of a multipart response: the tracker's images as they come, until it ends."""
    try:
        remote = state.tracker.remote()
    except ControlError:
        return
    newest = 0
    try:
        while not is_ending():
            picture_id, jpeg = remote.picture(newest)
            if picture_id:
                newest = picture_id
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                yield head.encode() + jpeg + b"\r\n"
    except ControlError:
        return
    finally:
        remote.close()


def thumbnail(index: int) -> bytes:
    """A small image of a camera as JPEG.

    Raises:
        HTTPException: the camera gives none.
    """
    import cv2

    from realtime.sources.cameras import CameraSource

    source = CameraSource(index)
    try:
        source.open()
        frame = source.read()
    except RealtimeError as error:
        raise HTTPException(404, str(error)) from error
    finally:
        source.close()
    if frame is None:
        raise HTTPException(404, "no image")
    height_px = round(THUMBNAIL_PX * source.height_px / source.width_px)
    small = cv2.resize(frame.image, (THUMBNAIL_PX, height_px), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small)[1].tobytes()


class RecordedImages:
    """Images of overlay videos by their time; keeps the newest video open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: tuple[Path, int] | None = None

    def at(self, path: Path, time_s: float) -> bytes:
        """The image at a time as JPEG; the last one after the end.

        Raises:
            HTTPException: there is none.
        """
        import cv2

        from realtime.recording.video.reader import OverlayReader

        with self._lock:
            shown = path, path.stat().st_mtime_ns
            if self._shown != shown:
                self._shown, self._reader = shown, OverlayReader(path)
            found = self._reader.at(time_s)
        if found is None:
            raise HTTPException(404, "the video cannot be read")
        return cv2.imencode(".jpg", found[0], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def tone(frequency_hz: float, duration_s: float) -> bytes:
    """A sound that swells and fades, as WAV."""
    time_s = np.arange(round(SOUND_HZ * duration_s)) / SOUND_HZ
    samples = 0.4 * np.sin(2.0 * np.pi * frequency_hz * time_s) * np.hanning(len(time_s))
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SOUND_HZ)
        sound.writeframes((32767.0 * samples).astype("<i2").tobytes())
    return file.getvalue()
