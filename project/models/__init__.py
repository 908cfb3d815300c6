"""Batch to logits, loss and metrics."""
