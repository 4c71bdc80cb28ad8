"""Whole arrays in formulas: what is written with them becomes sums and indices."""
