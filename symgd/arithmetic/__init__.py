"""float64 functions as plain Python: what formulas are computed with."""
