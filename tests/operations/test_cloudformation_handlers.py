"""The calls that AWS's CloudFormation handlers make for AWS::SageMaker::InferenceExperiment, translated to boto3.

A handler sends one request, then polls Describe until the status is stable, and fails on a status that it does not
expect: after Creating and Updating it accepts only Created or Running; only its start path waits on Starting. An update
always sends the whole template.
"""

from __future__ import annotations

import time

import pytest

from mock_sagemaker_ie import Durations, mock_inference_experiment
from tests.conftest import START
from tests.operations.shared import at
from tests.requests import NAME, PRODUCTION, SHADOW, create, shadow_mode, variant

SCHEDULES = {
    "unscheduled": None,
    "scheduled": {"StartTime": at(days=1), "EndTime": at(days=8)},
    "start in the past": {"StartTime": at(days=-1), "EndTime": at(days=8)},
}
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
SCHEDULED = create(Schedule=SCHEDULES["scheduled"], Description="Old", Tags=[{"Key": "team", "Value": "a"}])
RUNNING, CREATED = "Running", "Created"


class NotStabilizedError(Exception):
    """A handler met a status that it does not expect."""


class Handlers:
    """The handlers of the resource, with a boto3 client."""

    def __init__(self, sagemaker):
        self.sagemaker = sagemaker

    def read(self):
        return self.sagemaker.describe_inference_experiment(Name=NAME)

    def stabilize(self, *transitional, accepted):
        """Poll until the status is none of `transitional`, and return it. Fail when it is not accepted."""
        while (status := self.read()["Status"]) in transitional:
            time.sleep(30)  # Virtual.
        if status not in accepted:
            raise NotStabilizedError(status)
        return status

    def create(self, template):
        self.sagemaker.create_inference_experiment(**template)
        return self.stabilize("Creating", accepted=(CREATED, RUNNING))

    def update(self, template, *, tags=(), desired_state=None):
        """Bring the experiment to the template: start or stop it, or update it; then change its tags."""
        status = self.read()["Status"]
        if desired_state == RUNNING and status == CREATED:
            self.sagemaker.start_inference_experiment(Name=NAME)
            return self.stabilize("Starting", accepted=(RUNNING,))
        members = ("Description", "Schedule", "ModelVariants", "DataStorageConfig", "ShadowModeConfig")
        sent = {member: template[member] for member in members if member in template}
        self.sagemaker.update_inference_experiment(Name=NAME, **sent)
        status = self.stabilize("Updating", accepted=(CREATED, RUNNING))
        self.change_tags(tags)
        return status

    def change_tags(self, tags):
        arn = self.read()["Arn"]
        before = {tag["Key"]: tag["Value"] for tag in self.sagemaker.list_tags(ResourceArn=arn)["Tags"]}
        wanted = {tag["Key"]: tag["Value"] for tag in tags}
        if removed := [key for key in before if key not in wanted]:
            self.sagemaker.delete_tags(ResourceArn=arn, TagKeys=removed)
        if added := [{"Key": key, "Value": value} for key, value in wanted.items() if before.get(key) != value]:
            self.sagemaker.add_tags(ResourceArn=arn, Tags=added)

    def stop(self, production, shadow, **members):
        actions = {PRODUCTION: production, SHADOW: shadow}
        self.sagemaker.stop_inference_experiment(Name=NAME, ModelVariantActions=actions, **members)
        return self.stabilize("Stopping", accepted=("Completed", "Cancelled"))

    def delete(self):
        """Stop the experiment if it runs, wait while it changes, and delete it."""
        while (status := self.read()["Status"]) in ("Creating", "Updating", "Starting", "Stopping"):
            time.sleep(30)
        if status == RUNNING:
            self.stop("Retain", "Remove")
        self.sagemaker.delete_inference_experiment(Name=NAME)
        with pytest.raises(self.sagemaker.exceptions.ResourceNotFound):
            self.read()


@pytest.fixture(params=[Durations(), Durations.realistic()], ids=["zero", "realistic"])
def handlers(request, sagemaker):
    """Return the handlers, in a mock with zero and with realistic durations."""
    with mock_inference_experiment(clock=START, durations=request.param, virtual_sleep=True):
        yield Handlers(sagemaker)


@every_schedule
def test_create(handlers, schedule):
    """A scheduled experiment becomes Created, every other one Running."""
    expected = CREATED if schedule == SCHEDULES["scheduled"] else RUNNING

    assert handlers.create(create(Schedule=schedule)) == expected


@every_schedule
def test_update_with_the_whole_template(handlers, schedule):
    """In Created and in Running, the whole template is accepted, and the status is as before."""
    template = create(Schedule=schedule)
    status = handlers.create(template)

    assert handlers.update({**template, "Description": "New"}) == status

    assert handlers.read()["Description"] == "New"


@pytest.mark.parametrize(
    "change",
    [
        {"ModelVariants": [variant(PRODUCTION), variant(SHADOW, count=2)]},
        {"ModelVariants": [variant(SHADOW, count=2)]},
        {"Schedule": {"StartTime": at(days=2), "EndTime": at(days=9)}},
        {"DataStorageConfig": {"Destination": "s3://bucket/captured"}},
        {"ShadowModeConfig": shadow_mode(percentage=5)},
    ],
    ids=["ModelVariants", "one of ModelVariants", "Schedule", "DataStorageConfig", "ShadowModeConfig"],
)
def test_update_in_created(handlers, change):
    """Each member may change."""
    handlers.create(SCHEDULED)

    assert handlers.update({**SCHEDULED, **change}) == CREATED


def test_update_that_moves_the_start_to_the_past(handlers):
    """After Updating the experiment is Running: the handler never meets Starting."""
    handlers.create(SCHEDULED)

    schedule = {"StartTime": at(days=-1), "EndTime": at(days=8)}
    assert handlers.update({**SCHEDULED, "Schedule": schedule}) == RUNNING


@pytest.mark.parametrize("days", [8, 31], ids=["EndTime stays", "EndTime is limited"])
def test_start_early_and_update(handlers, days):
    """After an early start, the template's Schedule is still accepted, and the actual StartTime stays."""
    template = {**SCHEDULED, "Schedule": {"StartTime": at(days=1), "EndTime": at(days=days)}}
    handlers.create(template)
    assert handlers.update(template, desired_state=RUNNING) == RUNNING
    actual = handlers.read()["Schedule"]

    for description in ("New", "Newer"):
        changed = {**template, "Description": description, "ShadowModeConfig": shadow_mode(percentage=5)}
        assert handlers.update(changed) == RUNNING

    assert handlers.read()["Schedule"] == actual


@every_schedule
@pytest.mark.parametrize("actions", [("Retain", "Remove"), ("Retain", "Retain"), ("Remove", "Promote")], ids="-".join)
@pytest.mark.parametrize("state", ["Completed", "Cancelled"])
def test_stop(handlers, schedule, actions, state):
    """Retain, remove and promote end in the desired state."""
    handlers.create(create(Schedule=schedule))

    assert handlers.stop(*actions, DesiredState=state, Reason="Done") == state

    assert handlers.read()["StatusReason"] == "Done"


def test_delete_in_creating(handlers):
    """Delete waits until the experiment is created."""
    handlers.sagemaker.create_inference_experiment(**SCHEDULED)

    handlers.delete()


@every_schedule
def test_delete(handlers, schedule):
    """In Created the experiment is deleted at once, in Running it is stopped before."""
    handlers.create(create(Schedule=schedule))

    handlers.delete()


def test_delete_in_stopping(handlers):
    """Delete waits until the experiment has stopped."""
    handlers.create(create())
    actions = {PRODUCTION: "Retain", SHADOW: "Remove"}
    handlers.sagemaker.stop_inference_experiment(Name=NAME, ModelVariantActions=actions)

    handlers.delete()


def test_tag_changes(handlers):
    """Tags of the template replace the ones before."""
    handlers.create(SCHEDULED)

    handlers.update(SCHEDULED, tags=[{"Key": "stage", "Value": "b"}])

    arn = handlers.read()["Arn"]
    assert handlers.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "stage", "Value": "b"}]
