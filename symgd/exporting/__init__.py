"""Formulas and methods as files that work without symgd."""
