"""Python functions read as formulas: their source, by the rules of text."""
