"""Photos that are drawn where real ones are private or cannot be had."""
