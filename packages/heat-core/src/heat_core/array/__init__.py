"""The distributed array."""
