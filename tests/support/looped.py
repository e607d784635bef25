"""A short video as a camera that never ends: the same packets again and again, on one clock."""

from __future__ import annotations

import math
from pathlib import Path

import av


def write_looped(source: Path, out: Path, duration_s: float, turn_s: float = math.inf) -> None:
    """Repeat a video without coding it anew.

    Args:
        source: Video that begins with a key image.
        out: Path of the longer one, in a container that FFmpeg knows by its suffix.
        duration_s: Least duration of the longer one.
        turn_s: Part of the short one that is repeated, from its start.
    """
    with av.open(str(source)) as short, av.open(str(out), "w") as long:
        stream = short.streams.video[0]
        copy = long.add_stream_from_template(stream)
        packets = [p for p in short.demux(stream) if p.dts is not None and p.dts * stream.time_base < turn_s]
        step = packets[1].dts - packets[0].dts
        turn = packets[-1].dts - packets[0].dts + step
        n_turns = -(-round(duration_s / stream.time_base) // turn)
        contents = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in packets]
        for k in range(n_turns):
            for content, pts, dts, is_key in contents:
                packet = av.Packet(content)
                packet.pts, packet.dts = pts + k * turn, dts + k * turn
                packet.is_keyframe, packet.stream, packet.time_base = is_key, copy, stream.time_base
                long.mux(packet)
