"""Observations as pytest items, one per probe: `pytest --sagemaker-ie-conform FOLDER`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mock_sagemaker_ie.fidelity import report
from mock_sagemaker_ie.fidelity.conform import conform
from mock_sagemaker_ie.fidelity.observations import ObservationError, read_folder
from mock_sagemaker_ie.interception import recent

if TYPE_CHECKING:
    from pathlib import Path

    from mock_sagemaker_ie.backend.assumptions import Assumptions
    from mock_sagemaker_ie.fidelity.observations import Observation


class ConformityError(AssertionError):
    """The mock and an observation differ."""


class ConformItem(pytest.Item):
    """A test that the mock does what an observation says."""

    def __init__(self, *, observation: Observation, assumptions: Assumptions, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._observation, self._assumptions = observation, assumptions

    def runtest(self) -> None:
        """Raise ConformityError when something differs."""
        result = conform([self._observation], self._assumptions)
        recent.services = recent.new()  # The calls of the probes on many mocks are no help in a failure's report.
        if result.differences:
            raise ConformityError(report.text(result, [self._observation]))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the differences alone, without a traceback."""
        return (
            str(excinfo.value) if isinstance(excinfo.value, ConformityError) else super().repr_failure(excinfo, style)
        )

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return what pytest shows of the item."""
        return self.path, None, self.name


def items_of(session: pytest.Session, folder: Path, assumptions: Assumptions) -> list[pytest.Item]:
    """Return an item for each observation in a folder. Raises UsageError when it cannot be read."""
    try:
        observed = read_folder(folder)
    except ObservationError as error:
        raise pytest.UsageError(str(error)) from None
    return [
        ConformItem.from_parent(
            session, name=f"sagemaker_ie_conform[{each.probe.name}]", observation=each, assumptions=assumptions
        )
        for each in observed
    ]
