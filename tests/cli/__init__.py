"""What the `toolkit` command promises."""
