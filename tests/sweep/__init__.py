"""What `toolkit.sweep` promises."""
