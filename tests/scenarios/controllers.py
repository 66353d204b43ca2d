"""A rollout controller that is right in every scenario, and one for each mistake that people make."""

from __future__ import annotations

import time
from contextlib import suppress

from botocore import exceptions
from botocore.exceptions import ClientError

from mock_sagemaker_ie import Durations, Fails, Raises, Scenario, mock_inference_experiment
from tests.requests import SHADOW, create, stop

CREATE = "CreateInferenceExperiment"
NAME, ENDPOINT = "ranker-v2", "ranker"
POLL, WATCH, DEADLINE = 120, 600, 1800  # Seconds: between two looks, of a watch, until it must be Running.
UNFINISHED = {"Creating", "Created", "Starting", "Running", "Updating", "Stopping"}


class RolloutError(Exception):
    """The candidate could not be tried."""


class Controller:
    """Tries the candidate of an endpoint in a shadow test, promotes it, and cleans up."""

    transient = frozenset({"ThrottlingException", "InternalFailure", "ServiceUnavailable", "ResourceLimitExceeded"})

    def __init__(self, sagemaker):
        self.sagemaker = sagemaker

    def roll_out(self):
        """Return whether the candidate serves. Raises RolloutError when it could not be tried."""
        try:
            self.launch()
            self.wait_until_running()
            time.sleep(WATCH)
            return self.promote()
        finally:
            self.clean_up()

    def launch(self):
        """Create the experiment. An earlier attempt, whose answer was lost, may have created it."""
        try:
            self.call("create_inference_experiment", **create(NAME, EndpointName=ENDPOINT))
        except self.sagemaker.exceptions.ResourceInUse:
            if not self.is_ours():
                self.clean_up = lambda: None
                raise RolloutError("somebody else has taken the name") from None

    def is_ours(self):
        return self.describe().get("EndpointMetadata", {}).get("EndpointName") == ENDPOINT

    def wait_until_running(self):
        deadline = time.monotonic() + DEADLINE
        while (status := self.describe()["Status"]) != "Running":
            if status not in UNFINISHED:
                raise RolloutError(f"it is {status}")
            if time.monotonic() > deadline:
                self.give_up()
            time.sleep(POLL)

    def give_up(self):
        raise RolloutError("it takes too long")

    def promote(self):
        """Stop the experiment so that the candidate serves, and return whether it does."""
        self.end(shadow="Promote", production="Remove", DesiredState="Completed")
        return self.serving() == [SHADOW]

    def end(self, **request):
        """Stop the experiment as soon as its status permits that, and wait until it has ended."""
        while self.describe()["Status"] in UNFINISHED:
            self.try_to_stop(**request)
            time.sleep(POLL)

    def try_to_stop(self, **request):
        with suppress(self.sagemaker.exceptions.ConflictException, self.sagemaker.exceptions.ResourceNotFound):
            self.call("stop_inference_experiment", **stop(NAME, **request))

    def clean_up(self):
        """End and delete the experiment of this rollout, if it is still there."""
        if NAME in self.names():
            self.end()
            with suppress(self.sagemaker.exceptions.ResourceNotFound):
                self.call("delete_inference_experiment", Name=NAME)

    def names(self):
        """Return the names of the experiments of all pages."""
        page = self.call("list_inference_experiments", NameContains=NAME)
        found = page["InferenceExperiments"]
        while "NextToken" in page:
            page = self.call("list_inference_experiments", NameContains=NAME, NextToken=page["NextToken"])
            found += page["InferenceExperiments"]
        return [each["Name"] for each in found]

    def describe(self):
        try:
            return self.call("describe_inference_experiment", Name=NAME)
        except self.sagemaker.exceptions.ResourceNotFound:
            return {"Status": "gone"}

    def serving(self):
        """Return the names of the variants that answer when no deployment is under way."""
        while True:
            try:
                endpoint = self.call("describe_endpoint", EndpointName=ENDPOINT)
            except ClientError as error:
                if "Could not find endpoint" in str(error):
                    return []
                raise
            if endpoint["EndpointStatus"] in ("InService", "Failed"):
                return [each["VariantName"] for each in endpoint.get("ProductionVariants", ())]
            time.sleep(POLL)

    def call(self, method, **request):
        """Call the client again and again while it is the service or the network that fails."""
        while True:
            try:
                return getattr(self.sagemaker, method)(**request)
            except (exceptions.HTTPClientError, exceptions.ConnectionError):
                pass
            except ClientError as error:
                if error.response["Error"]["Code"] not in self.transient:
                    raise
            time.sleep(POLL)


# --- mistakes. The docstrings are the rows of a table in the documentation.


class GivesUpOnThrottling(Controller):
    """gives up when it is throttled"""

    transient = Controller.transient - {"ThrottlingException"}


class WaitsForASkippedStatus(Controller):
    """waits until it sees Stopping, which may have ended before it looks"""

    def try_to_stop(self, **request):
        super().try_to_stop(**request)
        while self.describe()["Status"] != "Stopping":
            time.sleep(POLL)


class IgnoresCancelled(Controller):
    """waits for Running only, also when the experiment is Cancelled"""

    def wait_until_running(self):
        while self.describe()["Status"] != "Running":
            time.sleep(POLL)


class PromotesWithoutLooking(Controller):
    """takes it for granted that the experiment is still Running when it promotes"""

    def promote(self):
        super().promote()
        return True


class NotIdempotent(Controller):
    """takes its own experiment for somebody else's when the answer to Create was lost"""

    def is_ours(self):
        return False


class LeavesTheShadow(Controller):
    """forgets to clean up after a timeout"""

    def give_up(self):
        self.clean_up = lambda: None
        super().give_up()


class DeletesWhileStopping(Controller):
    """deletes as soon as Stop is accepted"""

    def end(self, **request):
        while (status := self.describe()["Status"]) in UNFINISHED - {"Stopping"}:
            if status in ("Created", "Running"):
                self.try_to_stop(**request)
            else:
                time.sleep(POLL)

    def serving(self):
        self.clean_up()
        return super().serving()


class TrustsAnEmptyPage(Controller):
    """reads the first page of a list only"""

    def names(self):
        page = self.call("list_inference_experiments", NameContains=NAME)
        return [each["Name"] for each in page["InferenceExperiments"]]


# By mistake: a smallest scenario in which it shows, and the members of a scenario that name the same cause.
MISTAKES = {
    GivesUpOnThrottling: (Scenario(faults=[Raises(CREATE, "ThrottlingException")]), {"faults"}),
    WaitsForASkippedStatus: (Scenario(), set()),
    IgnoresCancelled: (Scenario(failures=[Fails("Creating", "no capacity")]), {"failures", "interference"}),
    PromotesWithoutLooking: (
        Scenario(failures=[Fails("Running", "no capacity", after=60)]),
        {"failures", "interference"},
    ),
    NotIdempotent: (Scenario(faults=[Raises(CREATE, "ReadTimeoutError", after=True)]), {"faults"}),
    LeavesTheShadow: (Scenario(durations=Durations.parse("creating=1860")), {"durations"}),
    DeletesWhileStopping: (Scenario(durations=Durations.parse("stopping=60")), {"durations"}),
    TrustsAnEmptyPage: (Scenario(pages=[0]), {"pages"}),
}


# --- what a rollout must do in every scenario


def run(kind, sagemaker, scenario, **options):
    """Run a controller in a scenario, and return the mock at the end. Raises AssertionError when it is wrong."""
    with mock_inference_experiment(scenario=scenario, virtual_sleep=True, **options) as mock:
        try:
            promoted = kind(sagemaker).roll_out()
        except RolloutError:
            promoted = False
        mock.end_scenario()
        mock.clock.advance(days=1)  # Deployments that are under way end.
        endpoints = [each["EndpointMetadata"]["EndpointName"] for each in mock.experiments.values()]
        assert ENDPOINT not in endpoints, "the experiment is still there"
        assert promoted == (Controller(sagemaker).serving() == [SHADOW]), f"it returned {promoted}"
    return mock
