"""What the benchmarks of lowrank train."""
