"""Names of arguments and axes in; sizes and arrays to try out."""
