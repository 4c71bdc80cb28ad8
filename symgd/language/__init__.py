"""Text or SymPy in, a checked SymPy expression out, and back to text."""
