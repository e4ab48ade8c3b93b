"""Run the benchmarks and keep their results."""
