"""What one account in one region knows. Pure: it is handed `now` and never reads a clock."""
