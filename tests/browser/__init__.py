"""Notebooks in a real JupyterLab, driven by a real browser."""
