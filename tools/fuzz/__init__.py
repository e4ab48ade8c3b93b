"""Feeds damaged input to everything that reads files: no crash, no hang, no unbounded memory."""
