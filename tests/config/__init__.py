"""What `toolkit.config` promises."""
