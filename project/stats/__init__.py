"""Numpy arrays to intervals, tests and verdicts."""
