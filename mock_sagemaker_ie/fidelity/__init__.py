"""How sure we are that AWS behaves like the mock: the table of behaviours, and the tools that ask AWS."""
