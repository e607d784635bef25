"""One person, learned from the frames seen so far: sizes, landmark offsets, and the pose they give."""
