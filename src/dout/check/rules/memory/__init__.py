"""Plain runs in; findings on what a layer overwrites, shares and keeps out."""
