"""Command lines: what they ask for, and what is answered to mistakes."""
