"""Steps in; where the result of each lives out."""
