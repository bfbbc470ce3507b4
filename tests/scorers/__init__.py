"""The rules of the scorers."""
