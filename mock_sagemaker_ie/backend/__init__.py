"""Everything that one account has in one region. Pure: it gets `now` and never reads a clock."""
