"""One run: begun, continued in slices, stopped, reported."""
