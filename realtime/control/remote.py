"""The other end: gives orders to a running tracker."""

from __future__ import annotations

from pathlib import Path

import msgspec
import zmq

from realtime.control.messages import (
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

TIMEOUT_S = 3.0
"""Longest wait for an answer: beginning a recording takes a moment."""


class Remote:
    """Gives orders to one tracker; for one thread at a time.

    Args:
        file: Address and token of the tracker; see `read_control_file`.
        timeout_s: Longest wait for an answer.
    """

    def __init__(self, file: ControlFile, timeout_s: float = TIMEOUT_S) -> None:
        self._file, self._timeout_ms = file, round(1e3 * timeout_s)
        self._socket: zmq.Socket[bytes] | None = None

    def state(self) -> TrackerState:
        """What the run is doing.

        Raises:
            ControlError: the tracker does not answer.
        """
        return self._order(GetState())

    def picture(self, after: int = 0) -> tuple[int, bytes]:
        """Number and JPEG of an image newer than number `after`; 0 and nothing without one.

        Raises:
            ControlError: the tracker does not answer.
        """
        reply = self._ask(GetPicture(after))
        return reply.picture_id, reply.jpeg

    def record(self, folder: Path) -> TrackerState:
        """Begin a recording.

        Raises:
            ControlError: the folder cannot be used, a recording is being made, or no answer came.
        """
        return self._order(Record(str(folder.resolve())))

    def finish(self) -> TrackerState:
        """End the recording.

        Raises:
            ControlError: there is none, or the tracker does not answer.
        """
        return self._order(Finish())

    def relearn(self) -> TrackerState:
        """Learn the person once more from their next neutral pose.

        Raises:
            ControlError: the tracker does not answer.
        """
        return self._order(Relearn())

    def mark(self, event: str) -> TrackerState:
        """Mark an event at the next frame.

        Raises:
            ControlError: the tracker does not answer.
        """
        return self._order(Mark(event))

    def choose_at(self, x: float, y: float) -> TrackerState:
        """Track whoever is at a point of the next image.

        Args:
            x: Position from 0, the left edge, to 1.
            y: Position from 0, the upper edge, to 1.

        Raises:
            ControlError: the estimator tells nobody apart, or the tracker does not answer.
        """
        return self._order(Choose(x, y))

    def stop(self) -> TrackerState:
        """End the run.

        Raises:
            ControlError: the tracker does not answer.
        """
        return self._order(Stop())

    def close(self) -> None:
        """Release the socket; a later order opens another."""
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None

    def _order(self, order: Order) -> TrackerState:
        state = self._ask(order).state
        assert state is not None  # without an error there is one
        return state

    def _ask(self, order: Order) -> Reply:
        if self._socket is None:
            self._socket = zmq.Context.instance().socket(zmq.REQ)
            self._socket.setsockopt(zmq.RCVTIMEO, self._timeout_ms)
            self._socket.setsockopt(zmq.SNDTIMEO, self._timeout_ms)
            self._socket.connect(self._file.address)
        try:
            self._socket.send(msgspec.msgpack.encode(Request(token=self._file.token, order=order)))
            reply = msgspec.msgpack.decode(self._socket.recv(), type=Reply)
        except (zmq.ZMQError, msgspec.MsgspecError) as error:
            self.close()  # after a lost answer, this socket could not ask again
            raise ControlError("the tracker does not answer; start it again") from error
        if reply.error:
            raise ControlError(reply.error)
        return reply
