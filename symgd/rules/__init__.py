"""Update rules: a method is its equations."""
