"""Answer one call: validate it, hand it to the backend, record it. Without I/O, except for deliveries."""
