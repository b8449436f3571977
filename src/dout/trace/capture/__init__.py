"""A call in; what a program needs to do it again out: where inputs come from, where results go."""
