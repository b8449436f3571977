"""Numbers, arrays and names in; short and safe text out."""
