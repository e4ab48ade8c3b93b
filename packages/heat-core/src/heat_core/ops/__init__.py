"""Functions of arrays, by topic."""
