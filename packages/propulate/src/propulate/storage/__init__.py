"""Files: the journal, which survives crashes, and the container, which is read."""
