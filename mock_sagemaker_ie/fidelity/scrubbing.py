"""Scrubbing: nothing that identifies an account, a person or a moment is written to an observation."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# What to replace, in this order, and by what. Every name of a run goes first.
_PATTERNS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"arn:aws[a-z-]*:(?:iam|sts)::[^\s:\"']*:[A-Za-z0-9+=,.@_/-]+", "<principal>"),
        (r"s3://[^/\s\"']+", "s3://<bucket>"),
        (r"arn:aws[a-z-]*:s3:::[^\s\"']+", "<bucket>"),
        (r"\b[0-9]{12}\b", "<account>"),
        (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<uuid>"),
        (r"https?://[^\s\"']+", "<url>"),
        (r"(?:[A-Za-z0-9.-]|<(?:account|prefix|region)>)+\.(?:amazonaws\.com(?:\.cn)?|aws\.dev|api\.aws)\b", "<host>"),
        (r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b", "<host>"),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b", "<key>"),
        (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z|[+-][0-9:]+)?", "<time>"),
        (r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} [0-9]{2} [0-9:]{8} [A-Z]{3,4} [0-9]{4}\b", "<time>"),
        (r"\b[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT\b", "<time>"),
        (r"\b1[0-9]{9}(?:\.[0-9]+)?\b", "<time>"),
        # The part of a generated name that differs each time.
        (r"(?<=-)(?=[0-9a-zA-Z]*[0-9])[0-9a-zA-Z]{8,}\b", "<id>"),
    )
)


class Scrubber:
    """Replaces what identifies an account, a person or a moment.

    `names`: what varies between runs, by the word that takes its place. A plain word identifies nothing and stays: it
    may be part of other words. `began`: the instant from which times count.
    """

    def __init__(self, names: Mapping[str, str | None], began: dt.datetime) -> None:
        known = [(value, f"<{name}>") for name, value in names.items() if value and not value.isalnum()]
        self._known = sorted(known, key=lambda pair: -len(pair[0]))  # A longer value may contain a shorter one.
        self._began = began

    def text(self, text: str) -> str:
        """Return a text without what identifies anything."""
        for value, word in self._known:
            text = re.sub(re.escape(value), word, text, flags=re.IGNORECASE if word == "<prefix>" else 0)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: Any) -> Any:
        """Return a value of an answer as JSON can have it. An instant becomes the seconds since the probe began."""
        if isinstance(value, dt.datetime):
            return f"{(value - self._began).total_seconds():+.0f} s"
        if isinstance(value, dt.timedelta):
            return str(dt.timedelta(minutes=round(value.total_seconds() / 60)))
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(each) for each in value]
        return self.text(value) if isinstance(value, str) else value
