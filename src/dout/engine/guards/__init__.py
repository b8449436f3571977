"""What a run can have read in; what the next call must have in common with it out."""
