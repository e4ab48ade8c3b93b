"""Several emulated nodes with slow links on one Linux machine."""
