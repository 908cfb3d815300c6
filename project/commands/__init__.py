"""What the commands do: each is imported when its command runs, so that --help needs none."""
