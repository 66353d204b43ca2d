"""Credentials for a local server."""

from __future__ import annotations

import pytest


@pytest.fixture
def credentials(monkeypatch):
    """Set credentials as a developer has them, and one attempt per call."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
