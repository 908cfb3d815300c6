"""Which layers of a network are trained, from which epoch on and how fast."""
