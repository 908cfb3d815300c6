"""What the name of a metric in a record says, such as ``test_studio/calibration_error``."""

NAMED_TEST = "test_"
"""Begins what stands for a named test set where the name of a split might stand."""

SMALL_IS_GOOD = ("loss", "calibration_error")
"""Metrics whose best is the smallest; of every other it is the largest."""
