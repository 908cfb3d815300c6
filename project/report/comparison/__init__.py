"""A comparison as tables, figures, files and a page."""
