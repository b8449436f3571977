"""One tiny file per NumPy idiom, plain Python, with the graph that its trace must give."""
