"""A layer in; its recorded runs at several sizes, with each flag on and off, out."""
