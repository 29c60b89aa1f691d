"""The product against its peers and against the floor; docs/benchmarks.md says how to read it."""
