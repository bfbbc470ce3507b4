"""The rules of the results."""
