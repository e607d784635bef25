"""Adult bodies: mesh, fitted skeleton, skinning."""
