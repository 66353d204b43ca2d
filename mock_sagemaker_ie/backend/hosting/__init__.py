"""Models, endpoint configurations and endpoints of one account in one region, and their traffic."""
