"""The viewer: a subscriber that draws the streamed skeleton in a window of its own."""
