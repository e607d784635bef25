"""`kinecast app`: a page in the browser for people who would rather not type commands."""
