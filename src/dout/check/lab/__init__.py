"""A layer in; what the checks of its contract see of it out: runs that are bounded in time and never fatal."""
