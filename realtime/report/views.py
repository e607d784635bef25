"""The part of a report about several views: which of them carried which seconds."""

from __future__ import annotations

from typing import Any

from realtime.report.markup import Content, element, table

CARRIES_SHARE = 0.5
"""Share of the samples of a second that rest on a view which carries it."""


def views_section(run: dict[str, Any]) -> list[Content]:
    """How many samples rest on each view, and which seconds it did not carry; empty with one camera."""
    views = run.get("views")
    if not isinstance(views, dict):
        return []
    try:
        samples = [int(n) for n in views["samples"]]
        used = {str(name): [int(n) for n in counts] for name, counts in views["used"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
    if not samples or any(len(counts) != len(samples) for counts in used.values()):
        return []
    total = sum(samples)
    rows = [
        (name, f"{sum(counts)} of {total} ({_percent(sum(counts), total)})", _left_out(counts, samples))
        for name, counts in used.items()
    ]
    parts: list[Content] = [
        element("h2", "Views"),
        table("Views", ("Camera", "Samples that rest on it", "Seconds that it did not carry"), rows),
    ]
    agreement = views.get("agreement")
    if isinstance(agreement, int | float):
        words = (
            f"Where somebody was in several views, these agreed in {100.0 * agreement:.1f} % of the moments."
        )
        parts.append(element("p", words, class_="quiet"))
    return parts


def _percent(n: int, of: int) -> str:
    return f"{100.0 * n / max(of, 1):.1f} %"


def _left_out(counts: list[int], samples: list[int]) -> str:
    """Spans of seconds in which less than half of the samples rest on a view."""
    spans: list[list[int]] = []
    for second, (n, of) in enumerate(zip(counts, samples, strict=True)):
        if of and n < CARRIES_SHARE * of:
            if spans and spans[-1][1] == second:
                spans[-1][1] = second + 1
            else:
                spans.append([second, second + 1])
    return ", ".join(f"{start} to {end} s" for start, end in spans) or "none"
