"""Turn a mock on and off: the public entry point, its options and its decorators."""
