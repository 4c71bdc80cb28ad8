"""Exact derivatives, and sums as programs of loops."""
