"""The drivers behind families of functions, element-wise and reductions."""
