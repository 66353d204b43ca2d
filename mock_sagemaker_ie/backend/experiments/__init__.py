"""Inference experiments of one account in one region."""
