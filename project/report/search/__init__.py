"""What a search found: the best command, a table of all trials, figures."""
