"""Hydra: its command line, its versions, sweeps and searches, and where their jobs run."""
