"""Split photos as folders: planned, written, verified."""
