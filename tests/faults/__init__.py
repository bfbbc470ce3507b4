"""The fault matrix, walked row by row: what goes wrong, what a user gets, and how many requests leave."""
