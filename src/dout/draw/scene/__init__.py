"""A trace in; a scene out: items, edges and labels, without places."""
