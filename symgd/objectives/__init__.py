"""What is minimised: a formula, its names, its data, its native functions."""
