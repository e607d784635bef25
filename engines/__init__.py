"""Arrays in, arrays out: model specs, preprocessing, runtimes and assets."""
