"""The pages of the documentation that error messages name: by their titles, because there is no public address yet."""

from __future__ import annotations

from enum import Enum


class Page(Enum):
    """A page by its title. As text: where the reader of an error finds more."""

    ACCESS = "Who may call the server, and its limits"
    CLOUDS = "Captures in S3 and metrics in CloudWatch, beside moto"
    FAULTS = "Test faults and retries"
    FIXTURES = "Use fixtures of every scope"
    INTERCEPTION = "How calls are intercepted"
    LANGUAGES = "Programs in other languages and processes"
    TIME = "Time"
    TRAFFIC = "Traffic"
    VIRTUAL_TIME = "Virtual time"

    def __str__(self) -> str:
        return f'see "{self.value}" in the documentation'
