"""What all estimators share: landmarks on the skeleton, solver, size, position, feet, smoothing."""
