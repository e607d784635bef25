"""`kinecast latency`: glass-to-glass latency, measured with a window that flashes in front of the camera."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.api.sources import source_of
from realtime.commands import session
from realtime.commands.arguments import check_can_write, positive_float, positive_int, rate_hz, size_px
from realtime.commands.ending import ended_by_signals
from realtime.commands.options import add_estimator_options, camera_options, estimator_options
from realtime.options import DrawingOptions, RunOptions

if TYPE_CHECKING:
    from realtime.bench.flasher import FlashWatcher
    from realtime.bench.latency import GlassToGlass
    from realtime.overlay.window import Window
    from realtime.pipeline.pipeline import Pipeline
    from realtime.pipeline.stats import PipelineStats
    from realtime.pipeline.trace import Trace

HELP = "measure the delay from the camera to the overlay on the screen"
DEFAULT_FLASHES = 40
MEASURED = (
    ("glass to glass", "total_ms"),
    ("screen and camera", "to_capture_ms"),
    ("tracking and drawing", "processing_ms"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    from realtime.bench.flasher import DEFAULT_INTERVAL_S

    parser.description = (
        f"{HELP}: a window flashes (less than 3 times a second) and the camera records it. Point the camera "
        "at the screen, or use a mirror."
    )
    parser.add_argument("--source", default="0", help="camera number or URL; default: 0")
    parser.add_argument("--size", type=size_px, metavar="WxH", help="image size requested from a camera")
    parser.add_argument("--rate", type=rate_hz, metavar="HZ", help="frame rate requested from a camera")
    parser.add_argument(
        "--flashes", type=positive_int, default=DEFAULT_FLASHES, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--interval",
        type=positive_float,
        default=DEFAULT_INTERVAL_S,
        metavar="S",
        help="mean time between changes, longer than the delay; default: %(default)s",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE.json", help="write a trace of every step, for ui.perfetto.dev"
    )
    add_estimator_options(parser)


def run(args: argparse.Namespace) -> int:
    """Flash the window, record it with the camera, and print the results."""
    from realtime.bench.flasher import SHORTEST_INTERVAL_S, Flasher
    from realtime.bench.latency import MIN_FLASHES, measure
    from realtime.errors import RealtimeError
    from realtime.overlay.window import Window, display_problem

    if args.interval < SHORTEST_INTERVAL_S or args.flashes < MIN_FLASHES:
        raise RealtimeError(
            f"--interval {args.interval} --flashes {args.flashes}; accepted: at least {SHORTEST_INTERVAL_S} "
            f"s and {MIN_FLASHES} flashes"
        )
    check_can_write(args.json)
    if problem := display_problem():
        raise RealtimeError(f"{problem}; the latency measurement needs a window in view of the camera")
    trace, window = session.trace_to(args.trace), Window()
    watcher, pipeline = _built(args, window, trace)
    flasher = Flasher(window, args.flashes, args.interval)
    print(f"flashing {args.flashes} times; keep camera and screen still, q ends", flush=True)
    try:
        with ended_by_signals():
            stats = pipeline.run(flasher.tick)
    finally:
        window.close()
    found = measure(flasher.flashes, watcher.looks)
    if trace is not None:
        for flash in flasher.flashes:
            trace.add_instant("screen", "bright" if flash.is_bright else "dark", flash.t_ns)
    _tell(found, stats, args.json)
    session.save_trace(args.trace, trace)
    return 0


def _built(args: argparse.Namespace, window: Window, trace: Trace | None) -> tuple[FlashWatcher, Pipeline]:
    """What watches the flashes, and the pipeline that it belongs to, once camera and window are open."""
    from realtime.bench.flasher import FlashWatcher
    from realtime.errors import RealtimeError
    from realtime.overlay.fitted import FittedDrawing
    from realtime.pipeline.pipeline import Pipeline

    options = RunOptions(
        source=args.source,
        camera=camera_options(args),
        estimator=estimator_options(args),
        size_px=args.size,
        rate_hz=args.rate,
    )
    with session.opened(source_of(options)) as source:
        if not source.is_live:
            raise RealtimeError(f"{source.description} is not a camera; use a live camera: --source 0")
        estimator = session.build_estimator(options, source)
        overlay = session.build_overlay(DrawingOptions(), estimator)
        watcher = FlashWatcher(FittedDrawing(overlay, lambda: window.size_px))
        pipeline = Pipeline(source, estimator, sink=watcher, trace=trace)
        window.open(source.width_px, source.height_px)
    return watcher, pipeline


def _tell(found: GlassToGlass, stats: PipelineStats, path: Path | None) -> None:
    """Print the results, and write the files that were requested."""
    from realtime.bench.latency import spread_ms
    from realtime.recording.summary import format_stats

    print(
        f"{len(found.total_ms)} flashes seen, {found.n_missed} missed, contrast {found.contrast:.0f} of 255"
    )
    for title, name in MEASURED:
        ms = spread_ms(getattr(found, name))
        print(f"  {title:<21} p50 {ms['p50']:6.1f} ms  p95 {ms['p95']:6.1f}  jitter {ms['jitter']:5.1f}")
    print(format_stats(stats, is_recorded=False))
    if path is not None:
        path.write_text(json.dumps(found.as_dict() | stats.as_dict(), indent=2) + "\n")
        print(f"written to {path}")
