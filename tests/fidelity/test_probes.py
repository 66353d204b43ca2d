"""The probes as data: they call operations that exist, and show every assumption that calls can show."""

from __future__ import annotations

import pytest

from mock_sagemaker_ie import Assumptions
from mock_sagemaker_ie.backend.assumptions import ROWS
from mock_sagemaker_ie.fidelity.behaviours import all_behaviours
from mock_sagemaker_ie.fidelity.conform import conform, mock_steps
from mock_sagemaker_ie.fidelity.observations import PROBES, Observation
from mock_sagemaker_ie.fidelity.scrubbing import Scrubber
from mock_sagemaker_ie.service.clients import service_model
from tests.conftest import START

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


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        (
            "User: arn:aws:sts::210987654321:assumed-role/Admin/jane.doe@example.com is not authorized to perform: x",
            "User: <principal> is not authorized to perform: x",
        ),
        (
            "on resource: arn:aws:sagemaker:eu-west-1:210987654321:model/mock-ie-0a1b2c3d-a",
            "on resource: arn:aws:sagemaker:<region>:<account>:model/<prefix>-a",
        ),
        ("User: arn:aws:iam::210987654321:user/team/jane is not", "User: <principal> is not"),
        ("on resource: arn:aws:s3:::my-bucket/models/a.tar.gz because", "on resource: <bucket> because"),
        ('Could not access "s3://my-bucket/models/a.tar.gz".', 'Could not access "s3://<bucket>/models/a.tar.gz".'),
        ("https://my-bucket.s3.eu-west-1.amazonaws.com/a?X-Amz-Credential=AKIA", "<url>"),
        ("210987654321.dkr.ecr.eu-west-1.amazonaws.com", "<host>"),
        ("connect to runtime.sagemaker.eu-west-1.amazonaws.com from 10.1.2.3", "connect to <host> from <host>"),
        ("(Request ID: 0a1b2c3d-0a1b-4c3d-8a1b-0a1b2c3d4e5f)", "(Request ID: <uuid>)"),
        ("key AKIAIOSFODNN7EXAMPLE", "key <key>"),
        ("at 2026-01-01T09:00:00.123Z and 2026-01-01 09:00:00+00:00", "at <time> and <time>"),
        ("at Thu Jan 01 09:00:00 UTC 2026, Thu, 01 Jan 2026 09:00:00 GMT, 1767258000.5", "at <time>, <time>, <time>"),
        ("endpoint configuration mock-ie-0a1b2c3d-a-53684a9d3a57", "endpoint configuration <prefix>-a-<id>"),
    ],
)
def test_a_text_of_aws_identifies_nobody_afterwards(text, scrubbed):
    """Accounts, principals, buckets, hosts, request ids, keys, instants and generated names are replaced."""
    scrubber = Scrubber({"prefix": "mock-ie-0a1b2c3d", "region": "eu-west-1"}, START)

    assert scrubber.text(text) == scrubbed
    assert scrubber.text(scrubbed) == scrubbed


def test_names_that_are_plain_words_stay():
    """An image of a local service may be named as a part of other words."""
    names = {"image": "model", "region": "eu-west-1", "role": "arn:aws:iam::210987654321:role/r", "capture": None}

    text = Scrubber(names, START).text("a model in eu-west-1a, of arn:aws:iam::210987654321:role/r")

    assert text == "a model in <region>a, of <role>"


def test_the_mock_agrees_with_itself():
    """Without another choice nothing differs, and every step is seen."""
    result = conform([Observation(probe, mock_steps(probe, Assumptions()), "", "", "") for probe in PROBES])

    assert result.differences == []
    assert all(each.unseen == {} for each in result.comparisons.values())
    assert result.durations == {"creating": 60, "starting": 60, "updating": 60, "stopping": 60}
