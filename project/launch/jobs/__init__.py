"""Jobs of a sweep: what they are, what is to be done with them, how they end."""
