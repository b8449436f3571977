"""Plain runs at other scales in; findings on overflow, lost digits and NaN out."""
