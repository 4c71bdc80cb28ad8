"""Where f has kinks: ends at them, and the smooth forms of such problems."""
