"""Other people's labelled videos as training data: their layouts, coordinates, cameras."""
