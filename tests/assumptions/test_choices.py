"""Each choice of each assumption changes what a boto3 client sees, and only that."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import boto3
import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import Assumptions, Durations, MockClock, ModelResponse, mock_inference_experiment
from mock_sagemaker_ie.backend.assumptions import ROWS
from tests.conftest import START
from tests.hosting import EXPERIMENT_ENDPOINT, endpoint, serve
from tests.requests import NAME, PRODUCTION, SHADOW, create, deployed, endpoint_config, model, stop

MINUTES = Durations(**dict.fromkeys(("creating", "starting", "updating", "stopping"), dt.timedelta(minutes=1)))
TOMORROW = {"StartTime": START + dt.timedelta(days=1), "EndTime": START + dt.timedelta(days=8)}
CAPTURE = {"Destination": "s3://bucket/captured"}
CHOICES = [(row.name, choice) for row in ROWS for choice in row.choices]


class Scene(NamedTuple):
    """A mock with one choice, and clients that call it."""

    mock: object
    sagemaker: object
    runtime: object


def answer(call, *arguments, **params) -> str:
    """Return "Permitted", or the error code of a call."""
    try:
        call(*arguments, **params)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "Permitted"


def status(scene, name=NAME) -> str:
    """Return the status of an experiment."""
    return scene.sagemaker.describe_inference_experiment(Name=name)["Status"]


def path(scene, name=NAME) -> list[str]:
    """Return the statuses that an experiment has and will have."""
    return [segment.status for segment in scene.mock.timeline(name).segments]


def create_tests(scene, *names) -> None:
    """Create experiments one second after another, each on an endpoint of its own."""
    for name in names:
        scene.sagemaker.create_inference_experiment(**create(name))
        scene.mock.clock.advance(seconds=1)


def listed(scene, **query) -> list[str]:
    """Return the names on the first page of experiments."""
    return [each["Name"] for each in scene.sagemaker.list_inference_experiments(**query)["InferenceExperiments"]]


def invoke(scene, **params) -> dict:
    """Invoke the endpoint of the experiment."""
    return scene.runtime.invoke_endpoint(EndpointName=EXPERIMENT_ENDPOINT, Body=b"1", ContentType="text/csv", **params)


# --- what is seen, by the name of the assumption


def unscheduled_test(scene):
    """The first three statuses of a test without a schedule."""
    scene.sagemaker.create_inference_experiment(**create())
    return path(scene)[:3]


def desired_state(scene):
    """The status after a Stop without DesiredState."""
    create_tests(scene, NAME)
    scene.mock.advance_until(NAME, "Running")
    scene.sagemaker.stop_inference_experiment(**stop())
    scene.mock.clock.advance(minutes=1)
    return status(scene)


def busy_endpoint(scene):
    """The code for a second test on an endpoint, which the first one keeps."""
    scene.sagemaker.create_inference_experiment(**create())
    second = create("second", EndpointName=EXPERIMENT_ENDPOINT)
    return answer(scene.sagemaker.create_inference_experiment, **second), listed(scene)


def update_endpoint_under_test(scene):
    """The answer to UpdateEndpoint in Running, the statuses meanwhile, and the endpoint after the test."""
    serve(scene.sagemaker, deployed(), endpoint=EXPERIMENT_ENDPOINT)
    scene.sagemaker.create_inference_experiment(**create())
    scene.mock.advance_until(NAME, "Running")
    scene.sagemaker.create_endpoint_config(**endpoint_config("other"))
    code = answer(scene.sagemaker.update_endpoint, EndpointName=EXPERIMENT_ENDPOINT, EndpointConfigName="other")
    variants = {
        each["VariantName"]: each["Status"]
        for each in scene.sagemaker.describe_inference_experiment(Name=NAME)["ModelVariants"]
    }
    scene.mock.advance_until(NAME, "Completed")
    return code, variants, endpoint(scene.sagemaker, EXPERIMENT_ENDPOINT)["EndpointConfigName"]


def delete_endpoint_under_test(scene):
    """The answer to DeleteEndpoint in Running, the status of the test, and whether the endpoint is there."""
    create_tests(scene, NAME)
    scene.mock.advance_until(NAME, "Running")
    code = answer(scene.sagemaker.delete_endpoint, EndpointName=EXPERIMENT_ENDPOINT)
    return code, status(scene), answer(scene.sagemaker.describe_endpoint, EndpointName=EXPERIMENT_ENDPOINT)


def stop_in_created(scene):
    """The answer to a Stop in Created, and the status."""
    scene.sagemaker.create_inference_experiment(**create(Schedule=TOMORROW))
    scene.mock.advance_until(NAME, "Created")
    return answer(scene.sagemaker.stop_inference_experiment, **stop()), status(scene)


def delete_in_created(scene):
    """The answer to a Delete in Created."""
    scene.sagemaker.create_inference_experiment(**create(Schedule=TOMORROW))
    scene.mock.advance_until(NAME, "Created")
    return answer(scene.sagemaker.delete_inference_experiment, Name=NAME), len(listed(scene))


def delete_in_running(scene):
    """The answer to a Delete in Running, and the number of shadow variants that the endpoint keeps."""
    create_tests(scene, NAME)
    scene.mock.advance_until(NAME, "Running")
    code = answer(scene.sagemaker.delete_inference_experiment, Name=NAME)
    scene.mock.clock.advance(days=9)
    shown = endpoint(scene.sagemaker, EXPERIMENT_ENDPOINT)
    return code, len(listed(scene)), len(shown.get("ShadowProductionVariants", ()))


def quotas_in_updates(scene):
    """The answer to an update of an endpoint that has all the instances of its quota."""
    production = deployed(InitialInstanceCount=2)
    serve(scene.sagemaker, production)
    scene.sagemaker.create_endpoint_config(**endpoint_config("other", production))
    return answer(scene.sagemaker.update_endpoint, EndpointName="my-endpoint", EndpointConfigName="other")


def list_page_size(scene):
    """The length of the first page of twelve experiments."""
    create_tests(scene, *(f"test-{number}" for number in range(12)))
    return len(listed(scene))


def list_sort_by(scene):
    """The order of three experiments, of which the second was stopped."""
    create_tests(scene, "b", "c", "a")
    scene.mock.advance_until("a", "Running")
    scene.sagemaker.stop_inference_experiment(**stop("c"))
    return "".join(listed(scene))


def list_sort_order(scene):
    """The order of two experiments."""
    create_tests(scene, "first", "second")
    return listed(scene)


def list_filters(scene):
    """The pages that a paginator gets when one of three experiments fits the filter."""
    create_tests(scene, "wanted", "other", "another")
    pages = scene.sagemaker.get_paginator("list_inference_experiments").paginate(
        NameContains="wanted", PaginationConfig={"PageSize": 1}
    )
    return [len(page["InferenceExperiments"]) for page in pages]


def created_endpoint(scene):
    """The status of the endpoint while a test that created it ends by its schedule, and whether it is there after."""
    create_tests(scene, NAME)
    scene.mock.advance_until(NAME, "Stopping")
    stopping = endpoint(scene.sagemaker, EXPERIMENT_ENDPOINT)["EndpointStatus"]
    scene.mock.advance_until(NAME, "Completed")
    gone = answer(scene.sagemaker.describe_endpoint, EndpointName=EXPERIMENT_ENDPOINT)
    return stopping, gone, status(scene)


def failed_answers(scene):
    """The sides of an invocation that capture has when the container answers with an error, and when it is silent."""

    def silent(request):
        raise RuntimeError("no answer")

    scene.sagemaker.create_inference_experiment(**create(DataStorageConfig=CAPTURE))
    scene.mock.advance_until(NAME, "Running")
    scene.mock.serve(f"model-{SHADOW}", lambda request: ModelResponse(b"2"))
    kept = []
    for handler in (lambda request: ModelResponse(b"no", status=400), silent):
        scene.mock.serve(f"model-{PRODUCTION}", handler)
        with pytest.raises(ClientError):
            invoke(scene)
        kept.append([sorted(each.record["captureData"]) for each in scene.mock.captures if each.variant == PRODUCTION])
    return kept


def shadow_event_id(scene):
    """Whether the captures of both variants have one eventId."""
    scene.sagemaker.create_inference_experiment(**create(DataStorageConfig=CAPTURE, ShadowModeConfig=full_copy()))
    scene.mock.advance_until(NAME, "Running")
    for _ in range(2):
        invoke(scene)
    ids = [each.record["eventMetadata"]["eventId"] for each in scene.mock.captures]
    return len(ids), len(set(ids))


def full_copy():
    """Return a ShadowModeConfig that copies every request."""
    shadows = [{"ShadowModelVariantName": SHADOW, "SamplingPercentage": 100}]
    return {"SourceModelVariantName": PRODUCTION, "ShadowModelVariants": shadows}


def target_shadow(scene):
    """The variant that answers an invocation of the shadow variant, and the variants that got the request."""
    reached = []
    for name in (PRODUCTION, SHADOW):
        scene.mock.serve(f"model-{name}", lambda request: reached.append(request.variant) or b"")
    scene.sagemaker.create_inference_experiment(**create())
    scene.mock.advance_until(NAME, "Running")
    try:
        answered = invoke(scene, TargetVariant=SHADOW)["InvokedProductionVariant"]
    except ClientError as error:
        answered = error.response["Error"]["Code"]
    return answered, reached


def arn_case(scene):
    """The ARN of an experiment and of a model, a tag by ARN, and a second name that differs in case."""
    arn = scene.sagemaker.create_inference_experiment(**create("Ranker"))["InferenceExperimentArn"]
    scene.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "x"}])
    model_arn = scene.sagemaker.create_model(**model("Model"))["ModelArn"]
    tags = len(scene.sagemaker.list_tags(ResourceArn=arn)["Tags"])
    shown = scene.sagemaker.describe_inference_experiment(Name="Ranker")["Name"]
    second = answer(scene.sagemaker.create_inference_experiment, **create("ranker", EndpointName="other"))
    return arn.rpartition("/")[2], model_arn.rpartition("/")[2], tags, shown, second


def repeated_start_time(scene):
    """The answers to an Update in Running with the StartTime of the request, then with the actual one."""
    scene.sagemaker.create_inference_experiment(**create(Schedule=TOMORROW))
    scene.mock.advance_until(NAME, "Created")
    scene.sagemaker.start_inference_experiment(Name=NAME)
    scene.mock.advance_until(NAME, "Running")
    actual = scene.sagemaker.describe_inference_experiment(Name=NAME)["Schedule"]["StartTime"]
    codes = []
    for start in (TOMORROW["StartTime"], actual):
        codes.append(answer(scene.sagemaker.update_inference_experiment, Name=NAME, Schedule={"StartTime": start}))
        scene.mock.advance_until(NAME, "Running")
    return codes


KEPT = ("ValidationException", {PRODUCTION: "InService", SHADOW: "InService"}, "my-config")
CHANGED = ("Permitted", {PRODUCTION: "InService", SHADOW: "Deleted"}, "my-config")
SEEN = {
    unscheduled_test: {
        "Running": ["Creating", "Running", "Stopping"],
        "Starting": ["Creating", "Starting", "Running"],
    },
    desired_state: {"Cancelled": "Cancelled", "Completed": "Completed"},
    busy_endpoint: {
        code: (code, [NAME])
        for code in ("ResourceInUse", "ResourceLimitExceeded", "ConflictException", "ValidationException")
    },
    update_endpoint_under_test: {"ValidationException": KEPT, "Permitted": CHANGED},
    delete_endpoint_under_test: {
        "ValidationException": ("ValidationException", "Running", "Permitted"),
        "Permitted": ("Permitted", "Cancelled", "ValidationException"),
    },
    stop_in_created: {"Stopping": ("Permitted", "Stopping"), "ConflictException": ("ConflictException", "Created")},
    delete_in_created: {"Permitted": ("Permitted", 0), "ConflictException": ("ConflictException", 1)},
    delete_in_running: {"ConflictException": ("ConflictException", 1, 0), "Permitted": ("Permitted", 0, 1)},
    quotas_in_updates: {"sum": "ResourceLimitExceeded", "larger": "Permitted"},
    list_page_size: {10: 10, 100: 12},
    list_sort_by: {"CreationTime": "acb", "Name": "cba", "Status": "cab"},
    list_sort_order: {"Descending": ["second", "first"], "Ascending": ["first", "second"]},
    list_filters: {"before_page": [1], "after_page": [0, 0, 1]},
    created_endpoint: {
        "stays": ("Updating", "Permitted", "Completed"),
        "deleted": ("Deleting", "ValidationException", "Completed"),
    },
    failed_answers: {
        "dropped": [[], []],
        "captured": [[["endpointInput", "endpointOutput"]], [["endpointInput", "endpointOutput"], ["endpointInput"]]],
    },
    shadow_event_id: {"own": (4, 4), "shared": (4, 2)},
    target_shadow: {"ValidationError": ("ValidationError", []), "Invoked": (SHADOW, [SHADOW])},
    arn_case: {
        "kept": ("Ranker", "Model", 1, "Ranker", "Permitted"),
        "lower": ("ranker", "model", 1, "Ranker", "ResourceInUse"),
    },
    repeated_start_time: {
        "as_requested": ["Permitted", "Permitted"],
        "as_actual": ["ValidationException", "Permitted"],
        "refused": ["ValidationException", "ValidationException"],
    },
}
BY_NAME = {look.__name__: (look, seen) for look, seen in SEEN.items()}


@pytest.mark.parametrize(("name", "choice"), CHOICES, ids=str)
def test_a_choice_decides_what_a_client_sees(name, choice):
    """Under each choice the calls of one story have the answers of that choice."""
    look, seen = BY_NAME[name]
    options = {"clock": MockClock(START, tick=False), "durations": MINUTES, "quotas": {}, "unused_faults": "ignore"}
    if name == "quotas_in_updates":
        options["quotas"] = {"ml.m5.xlarge": 2}
    keys = {"region_name": "us-east-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}

    with mock_inference_experiment(assumptions=Assumptions(**{name: choice}), **options) as mock:
        scene = Scene(mock, boto3.client("sagemaker", **keys), boto3.client("sagemaker-runtime", **keys))
        result = look(scene)

    assert result == seen[choice]


def test_every_choice_can_be_seen():
    """No two choices of an assumption look alike."""
    assert {name: list(seen) for name, (_, seen) in BY_NAME.items()} == {row.name: [*row.choices] for row in ROWS}
    assert all(len({repr(result) for result in seen.values()}) == len(seen) for seen in SEEN.values())
