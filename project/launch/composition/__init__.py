"""Configurations: as plain values, over one another, and composed again."""
