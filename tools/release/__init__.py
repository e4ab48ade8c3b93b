"""Build the packages, and release one: checks first, and an upload only when it is asked for."""
