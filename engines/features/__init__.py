"""Features that training and live use must compute alike."""
