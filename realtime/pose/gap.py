"""How long the time between two frames may be for the first to tell something about the second."""

from __future__ import annotations

MAX_GAP_S = 0.5
"""After a longer gap, such as of an overloaded computer, filters and planted feet start afresh: nothing shows
what the person did meanwhile. Who they are stays known."""
