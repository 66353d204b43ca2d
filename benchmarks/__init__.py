"""How fast and how small the mock is beside its peers: `python -m benchmarks`, from the repository's root."""
