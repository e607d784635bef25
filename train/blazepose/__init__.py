"""BlazePose's landmarks on synthetic people, rendered or simulated."""
