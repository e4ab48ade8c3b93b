"""What several benchmarks of recycle share."""
