"""Drawing on the frame, and its window."""
