"""Evenhand: find out which change helped."""
