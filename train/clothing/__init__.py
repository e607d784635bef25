"""Clothes, hair and faces: surfaces worn and their materials."""
