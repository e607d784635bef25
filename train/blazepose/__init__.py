"""What BlazePose says of synthetic people, rendered or simulated."""
