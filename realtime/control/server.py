"""The tracker's end: a thread that answers orders."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
import threading
from pathlib import Path
from typing import Protocol

import msgspec
import zmq

from realtime.control.messages import (
    MAX_ORDER_BYTES,
    Choose,
    ControlError,
    ControlFile,
    Finish,
    GetPicture,
    GetState,
    Mark,
    Order,
    Record,
    Relearn,
    Reply,
    Request,
    Stop,
    TrackerState,
)
from realtime.errors import RealtimeError
from realtime.recording.private_file import write_private

POLL_MS = 200
"""Interval at which the thread checks whether it should end."""

logger = logging.getLogger(__name__)


class Controlled(Protocol):
    """What orders are given to; every method is called in the server's thread and raises RealtimeError."""

    def state(self) -> TrackerState:
        """What the run is doing."""

    def picture(self, after: int) -> tuple[int, bytes]:
        """Number and JPEG of an image newer than number `after`; 0 and nothing without one."""

    def record(self, folder: Path) -> None:
        """Begin a recording."""

    def finish(self) -> None:
        """End the recording."""

    def relearn(self) -> None:
        """Learn the person once more."""

    def mark(self, event: str) -> None:
        """Mark an event at the next frame."""

    def choose_at(self, x: float, y: float) -> None:
        """Track whoever is at a point of the next image."""

    def stop(self) -> None:
        """End the run."""


class ControlServer:
    """Listens from construction to `close`; the file exists for as long.

    Args:
        path: File to write for those who may give orders; an older one is replaced.
        controlled: Receiver of the orders.

    Raises:
        ControlError: the file cannot be written.
    """

    def __init__(self, path: Path, controlled: Controlled) -> None:
        self._path, self._controlled = path, controlled
        self._token = secrets.token_urlsafe(32)
        self._is_closing = threading.Event()
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.REP)
        self._socket.linger = 0
        self._socket.maxmsgsize = MAX_ORDER_BYTES
        self._socket.bind("tcp://127.0.0.1:*")
        address = self._socket.get_string(zmq.LAST_ENDPOINT)
        content = ControlFile(address=address, token=self._token, pid=os.getpid())
        try:
            write_private(path, msgspec.json.encode(content))
        except OSError as error:
            self._release()
            raise ControlError(
                f"{path}: cannot be written ({error.strerror}); name a file in a folder that is yours",
                name="control",
                value=path,
            ) from error
        self._thread = threading.Thread(target=self._serve, name="kinecast-control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and remove the file."""
        self._is_closing.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        try:
            while not self._is_closing.is_set():
                if self._socket.poll(POLL_MS):
                    self._socket.send(msgspec.msgpack.encode(self._reply(self._socket.recv())))
        finally:
            self._release()

    def _release(self) -> None:
        self._socket.close()
        self._context.term()

    def _reply(self, frame: bytes) -> Reply:
        try:
            request = msgspec.msgpack.decode(frame, type=Request)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Reply(error="not an order that this version of kinecast knows")
        if not hmac.compare_digest(request.token.encode(), self._token.encode()):
            return Reply(error="wrong token; read the tracker's control file again")
        try:
            return self._carry_out(request.order)
        except RealtimeError as error:
            return Reply(error=str(error))
        except Exception as error:  # whatever it is, tracking goes on
            logger.exception("an order failed")
            return Reply(error=f"{type(error).__name__}: {error}")

    def _carry_out(self, order: Order) -> Reply:
        run = self._controlled
        match order:
            case GetPicture(after=after):
                picture_id, jpeg = run.picture(after)
                return Reply(picture_id=picture_id, jpeg=jpeg)
            case Record(folder=folder):
                run.record(Path(folder))
            case Finish():
                run.finish()
            case Relearn():
                run.relearn()
            case Mark(event=event):
                run.mark(event)
            case Choose(x=x, y=y):
                run.choose_at(x, y)
            case Stop():
                run.stop()
            case GetState():
                pass
        return Reply(state=run.state())
