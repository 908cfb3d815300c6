"""Listed photos to verified, labelled and split ones."""
