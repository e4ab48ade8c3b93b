"""Indexing of arrays."""
