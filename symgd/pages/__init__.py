"""One file that shows a formula's descent, to be dragged in a browser, offline."""
