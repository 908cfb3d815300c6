"""Photos as small uint8 images: decoded each time, or once into a file that all runs share."""
