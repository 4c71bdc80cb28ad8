"""Many runs: from many starts, over grids, against each other."""
