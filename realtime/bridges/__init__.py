"""Subscribers that pass the stream on in the protocols of others (extra `bridges`)."""
