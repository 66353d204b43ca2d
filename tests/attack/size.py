"""How much the tests that attack the mock try: seconds by default, all of it with MOCK_SAGEMAKER_IE_ATTACK=large."""

from __future__ import annotations

import os

LARGE = os.environ.get("MOCK_SAGEMAKER_IE_ATTACK") == "large"
