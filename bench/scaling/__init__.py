"""A small model of what a task costs and where that ends: `python -m bench.scaling`."""
