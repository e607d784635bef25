"""One person seen by several cameras: frames of one moment, rays of all views, one estimate."""
