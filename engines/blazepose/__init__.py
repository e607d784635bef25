"""Following one person with BlazePose."""
