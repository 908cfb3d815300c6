"""What a training run does besides training."""
