"""The probes as data: they call operations that exist, and show every assumption that calls can show."""

from __future__ import annotations

import pytest

from mock_sagemaker_ie import Assumptions
from mock_sagemaker_ie.backend.assumptions import ROWS
from mock_sagemaker_ie.fidelity.behaviours import all_behaviours
from mock_sagemaker_ie.fidelity.conform import conform, mock_steps
from mock_sagemaker_ie.fidelity.observations import PROBES, Observation
from mock_sagemaker_ie.service.clients import service_model

STEPS = [step for probe in PROBES for step in probe.steps]
# They show only with quotas that are exceeded, eleven experiments, a container that fails.
NOT_SHOWN = {"quotas_in_updates", "list_page_size", "failed_answers"}
VARIANTS = [each for each in Assumptions.each()[1:] if not NOT_SHOWN & each.changed().keys()]


@pytest.mark.parametrize("probe", PROBES, ids=[probe.name for probe in PROBES])
def test_a_probe_names_operations_behaviours_and_earlier_steps(probe):
    """What a step needs is an earlier step or a name of the run; no two steps have one name."""
    names = [step.name for step in probe.steps]
    known = {each.name for each in all_behaviours()}

    assert len({*names}) == len(names)
    for number, step in enumerate(probe.steps):
        service, _, operation = getattr(step, "operation", "ListModels").rpartition(":")
        model = service_model(f"sagemaker-{service}" if service else "sagemaker")
        assert operation in model.operation_names
        assert {*step.about} <= known
        assert step.about
        assert {*step.needs} <= {*names[:number], "capture"}


def test_every_assumption_is_shown_by_a_step():
    """All but a few, which no call can show without other means."""
    shown = {name for step in STEPS for name in step.about}

    assert {row.name for row in ROWS} - shown == NOT_SHOWN


@pytest.mark.parametrize("assumptions", VARIANTS, ids=str)
def test_a_probe_tells_each_choice_from_the_default(assumptions):
    """Observations of a mock with one other choice differ from the default, and conform finds exactly that choice."""
    (name,) = assumptions.changed()
    probes = [probe for probe in PROBES if any(name in step.about for step in probe.steps)]

    result = conform([Observation(probe, mock_steps(probe, assumptions), "", "", "") for probe in probes])

    assert result.differences
    assert result.explaining == assumptions
    assert result.unexplained == []


def test_the_mock_agrees_with_itself():
    """Without another choice nothing differs, and every step is seen."""
    result = conform([Observation(probe, mock_steps(probe, Assumptions()), "", "", "") for probe in PROBES])

    assert result.differences == []
    assert all(each.unseen == {} for each in result.comparisons.values())
    assert result.durations == {"creating": 60, "starting": 60, "updating": 60, "stopping": 60}
