"""The rows of the benchmark, one a module."""
