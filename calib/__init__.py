"""What is known before the first frame: the skeleton, the cameras, the subject."""
