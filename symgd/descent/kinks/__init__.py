"""Points at kinks of f: which they are at, and whether that is a minimum."""
