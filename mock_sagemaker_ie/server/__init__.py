"""Serve a mock to other processes and languages over HTTP, and the command line."""
