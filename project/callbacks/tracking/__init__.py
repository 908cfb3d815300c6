"""A run as others see it in Weights & Biases."""
