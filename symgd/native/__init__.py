"""Machine code, and the memory it works on: linked, stored, described."""
