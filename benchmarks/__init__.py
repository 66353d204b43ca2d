"""Time and memory of the mock compared with other tools: `python -m benchmarks` in the root of the repository."""
