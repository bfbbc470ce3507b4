"""What `toolkit.engine` promises."""
