"""The videos of a recording: the overlay, and the camera's images without loss."""

OVERLAY_NAME = "overlay.mp4"
