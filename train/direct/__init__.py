"""The direct network: image to coordinates."""
