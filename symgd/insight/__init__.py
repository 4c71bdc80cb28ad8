"""What is certain about a formula: enclosures, convexity, steps, certified minima."""
