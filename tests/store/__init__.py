"""What `toolkit.store` promises."""
