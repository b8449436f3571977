"""A refuted gradient in; the convention that explains it out, if there is one."""
