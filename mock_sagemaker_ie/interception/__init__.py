"""Catch the calls of botocore, aiobotocore and requests, and the sleeps, while a mock is active."""
