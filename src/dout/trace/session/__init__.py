"""The user's objects and modules in; the same with stand-ins in them, for as long as a run lasts, out."""
