"""A model fitted to the rows of a table."""
