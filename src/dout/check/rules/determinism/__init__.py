"""Runs from known random states in; findings on what differs between them out."""
