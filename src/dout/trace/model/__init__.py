"""What a recorded run is: frozen data in, edges with values and gradients out; and its document, written and read."""
