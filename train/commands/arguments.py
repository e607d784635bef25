"""Types of command-line values."""

from __future__ import annotations

import argparse
import re


def positive_int(text: str) -> int:
    """A number from 1."""
    if not re.fullmatch(r"\d{1,12}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)
