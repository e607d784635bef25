"""Place, light, camera, and the renderer."""
