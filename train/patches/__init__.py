"""Networks that look at patches of the image, and their training."""
