"""Hydra, its command line and its versions."""
