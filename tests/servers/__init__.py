"""Servers that stand in for services, each a process of its own: real HTTP, scripted faults, a list of what came in."""
