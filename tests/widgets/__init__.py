"""Widgets without a browser: their state, their messages and what they leave in a notebook."""
