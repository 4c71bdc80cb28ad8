"""Rows in partitions, which may be more than one machine can hold."""
