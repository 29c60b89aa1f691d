"""Each module here is a benchmark: its name, with dashes, and a constant BENCHMARK."""
