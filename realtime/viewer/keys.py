"""The viewer's keys, for the screen and for `--help`."""

KEYS = (
    ("1 2 3", "front, side, above"), ("4", "as the camera"), ("F", "follow"), ("T", "trails"),
    ("C", "camera"), ("G", "ghost"), ("A", "ghost on the figure"), ("B", "ghost from the start"),
    ("P", "angles"), ("S", "save picture"), ("K", "this list"), ("Q", "end"),
    ("drag", "turn"), ("Ctrl+drag", "shift"), ("wheel", "nearer, farther"),
)  # fmt: skip
"""Every key, or several of a kind, and what they do; then the mouse."""
