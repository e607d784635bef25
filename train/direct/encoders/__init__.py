"""Encoders: networks from images to feature maps."""
