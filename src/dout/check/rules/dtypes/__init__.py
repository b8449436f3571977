"""Plain runs in; findings on float32 and whole numbers out."""
