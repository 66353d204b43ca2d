"""The HTTP server that offers a mock to other processes and languages, and the command line."""
