"""The viewer's keys, for the screen and for `--help`."""

KEYS = (
    ("1 2 3", "front, side, above"), ("4", "as the camera"), ("F", "follow"), ("T", "trails"),
    ("C", "camera"), ("G", "ghost"), ("A", "ghost on the figure"), ("B", "ghost from the start"),
    ("P", "angles"), ("S", "save picture"), ("K", "these keys"), ("Q", "end"),
)  # fmt: skip
"""Every key, or several of a kind, and what they do."""
MOUSE = "drag turns, Ctrl+drag shifts, wheel comes nearer"
