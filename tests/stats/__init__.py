"""The rules of the statistics."""
