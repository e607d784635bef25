"""Orders to a running tracker, its replies, and the file that says where it listens.

An order is one msgpack map in one ZeroMQ request; the reply is another. The tracker listens on loopback only,
and writes its address with a secret token to a file that only its user can read: who can read it may
give orders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from realtime.errors import RealtimeError
from realtime.sample import Status

MAX_ORDER_BYTES = 64_000


class ControlError(RealtimeError):
    """A tracker that does not answer, or an order that it refuses."""


class ControlFile(msgspec.Struct, frozen=True, kw_only=True):
    """Content of the file: where a tracker listens, and the token that every order carries."""

    address: str
    """ZeroMQ address of the tracker's REP socket."""
    token: str
    pid: int
    """Process of the tracker."""


class GetState(msgspec.Struct, frozen=True, tag=True):
    """Asks for the state."""


class GetPicture(msgspec.Struct, frozen=True, tag=True):
    """Asks for an image with the overlay; the tracker draws them only while it is asked."""

    after: int = 0
    """Number of the newest image that the asker has."""


class Record(msgspec.Struct, frozen=True, tag=True):
    """Begins a recording."""

    folder: str
    """Absolute path of a folder without a recording."""


class Finish(msgspec.Struct, frozen=True, tag=True):
    """Ends the recording; its files are finished while tracking goes on."""


class Relearn(msgspec.Struct, frozen=True, tag=True):
    """Learns the person once more from their next neutral pose."""


class Mark(msgspec.Struct, frozen=True, tag=True):
    """Marks an event at the next frame."""

    event: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """Name of the event."""


Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Choose(msgspec.Struct, frozen=True, tag=True):
    """Tracks whoever is at a point of the next image."""

    x: Share
    """From 0, the left edge, to 1."""
    y: Share
    """From 0, the upper edge, to 1."""


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Ends the run, and with it the recording."""


Order = GetState | GetPicture | Record | Finish | Relearn | Mark | Choose | Stop


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An order with the token."""

    token: str
    order: Order


class TrackerState(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is doing."""

    source: str
    """Name of the source, without secrets."""
    stream_address: str = ""
    """Address of the published samples; empty if nothing is published."""
    width_px: int = 0
    """Width of the source's images."""
    height_px: int = 0
    """Height of the source's images."""
    fps: float | None = None
    """Samples a second."""
    latency_ms: float | None = None
    """Capture to publication of a typical sample."""
    note: str = ""
    """A note for the user, such as that the camera is gone."""
    people: tuple[Status, ...] = ()
    """Status of each person who may be tracked at once, in the newest sample; empty before the first."""
    recording: str = ""
    """Folder of the recording that is being made; empty without one."""
    recorded_s: float = 0.0
    """Time since that recording began."""
    finishing: int = 0
    """Number of ended recordings whose files are still being finished."""
    failure: str = ""
    """Reason why the newest recording ended early; empty if it did not."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the tracker answers."""

    error: str = ""
    """Reason for a refusal; empty if the order was carried out."""
    state: TrackerState | None = None
    picture_id: int = 0
    """Number of the image; 0 without a newer one."""
    jpeg: bytes = b""
    """The image; empty without a newer one."""


def read_control_file(path: Path) -> ControlFile:
    """Read where a tracker listens.

    Raises:
        ControlError: there is no such file, or it holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=ControlFile)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ControlError(
            f"{path}: no tracker listens there ({error}); start one with: kinecast live --control {path}",
            name="control",
            value=path,
        ) from error
