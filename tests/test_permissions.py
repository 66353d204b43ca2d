"""Permissions: the least policy for what was called, and denied actions of the caller and of an experiment's role."""

from __future__ import annotations

import datetime as dt
import json

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from mock_sagemaker_ie import Durations, MockClock, mock_inference_experiment
from mock_sagemaker_ie.calls import INVOCATIONS
from mock_sagemaker_ie.service.permissions import ACTIONS
from tests.conftest import START
from tests.every_operation import PREPARATIONS, REQUESTS
from tests.hosting import ENDPOINTS, everything
from tests.requests import CONFIG, ENDPOINT, MODEL, NAME, create, deployed, endpoint_config, stop
from tests.traffic.shared import KEYS

TAGS = [{"Key": "team", "Value": "search"}]
PREFIX = "arn:aws:sagemaker:us-east-1:123456789012"
EXPERIMENT_ARN = f"{PREFIX}:inference-experiment/{NAME}"
ROLE = create()["RoleArn"]
UNDER_TEST = create()["EndpointName"]


def call(mock, operation, **params):
    """Call an operation by the mock's client."""
    client = mock.client("sagemaker-runtime" if operation in INVOCATIONS else "sagemaker")
    return getattr(client, xform_name(operation))(**params)


def statements(mock):
    """Return the resources of the required policy by action."""
    policy = mock.required_policy()
    return {action: each["Resource"] for each in policy["Statement"] for action in each["Action"]}


def denial(mock, operation, **params):
    """Call an operation that must be denied, change nothing by it, and return the error."""
    with pytest.raises(ClientError) as caught:
        call(mock, operation, **params)
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return caught.value.response["Error"]["Message"]


# --- required_policy


def test_a_test_without_calls_requires_nothing(mock):
    """The policy has no statement."""
    assert mock.required_policy() == {"Version": "2012-10-17", "Statement": []}


def test_a_shadow_test_requires_its_actions_and_the_role(mock, sagemaker):
    """Actions on the same resources share a statement; the role has the condition that AWS recommends."""
    sagemaker.create_inference_experiment(**create(Tags=TAGS))
    sagemaker.describe_inference_experiment(Name=NAME)
    sagemaker.list_inference_experiments()

    assert mock.required_policy()["Statement"] == [
        {
            "Effect": "Allow",
            "Action": [
                "sagemaker:AddTags",
                "sagemaker:CreateInferenceExperiment",
                "sagemaker:DescribeInferenceExperiment",
            ],
            "Resource": [EXPERIMENT_ARN],
        },
        {"Effect": "Allow", "Action": ["sagemaker:ListInferenceExperiments"], "Resource": ["*"]},
        {
            "Effect": "Allow",
            "Action": ["iam:PassRole"],
            "Resource": [ROLE],
            "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        },
    ]


def test_a_create_request_without_tags_does_not_require_add_tags(mock, sagemaker):
    """Its permission is needed only for tags."""
    sagemaker.create_inference_experiment(**create())

    assert "sagemaker:AddTags" not in statements(mock)


def test_deploying_an_endpoint_requires_its_configuration_too(mock, sagemaker):
    """CreateEndpoint and UpdateEndpoint are authorized on both."""
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG, deployed()))
    ENDPOINTS.create(sagemaker, ENDPOINT)
    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)

    both = [f"{PREFIX}:endpoint-config/{CONFIG}", f"{PREFIX}:endpoint/{ENDPOINT}"]
    assert statements(mock)["sagemaker:CreateEndpoint"] == statements(mock)["sagemaker:UpdateEndpoint"] == both


def test_invocations_require_the_endpoint_and_a_named_component(mock, sagemaker):
    """A stream has an action of its own."""
    sagemaker.create_inference_experiment(**create())
    call(mock, "InvokeEndpoint", EndpointName=UNDER_TEST, Body=b"1")
    call(mock, "InvokeEndpointWithResponseStream", EndpointName=UNDER_TEST, Body=b"1")
    with pytest.raises(ClientError):
        call(mock, "InvokeEndpoint", EndpointName=UNDER_TEST, Body=b"1", InferenceComponentName="part")

    endpoint = f"{PREFIX}:endpoint/{UNDER_TEST}"
    assert statements(mock)["sagemaker:InvokeEndpoint"] == [endpoint, f"{PREFIX}:inference-component/part"]
    assert statements(mock)["sagemaker:InvokeEndpointWithResponseStream"] == [endpoint]


def test_each_region_account_and_partition_has_its_own_resources(mock):
    """The ARNs are those of the calls."""
    for region in ("eu-west-1", "cn-north-1"):
        with pytest.raises(ClientError):
            mock.client(region_name=region).describe_model(ModelName=MODEL)

    assert statements(mock)["sagemaker:DescribeModel"] == [
        f"arn:aws-cn:sagemaker:cn-north-1:123456789012:model/{MODEL}",
        f"arn:aws:sagemaker:eu-west-1:123456789012:model/{MODEL}",
    ]


def test_a_call_without_the_name_of_its_resource_does_not_count(mock):
    """AWS refuses it in any case, and a permission on every resource would be too much."""
    unchecked = boto3.client("sagemaker", config=Config(parameter_validation=False), **KEYS)
    with pytest.raises(ClientError, match="ValidationException"):
        unchecked.describe_model()

    assert len(mock.calls) == 1
    assert mock.required_policy()["Statement"] == []


def test_the_policy_is_printed_as_json(mock, sagemaker):
    """It is a dict that can be given to IAM, and its text has line breaks."""
    sagemaker.list_models()
    policy = mock.required_policy()

    assert json.loads(str(policy)) == json.loads(repr(policy)) == json.loads(json.dumps(policy)) == policy
    assert '\n      "Action": [' in str(policy)


@pytest.mark.parametrize("operation", REQUESTS)
def test_denying_a_required_action_denies_the_call(operation):
    """The required policy of a call names what `denied` denies; anything else does not matter."""

    def attempt(denied):
        with mock_inference_experiment(
            clock=MockClock(START, tick=False), denied=[each for each in denied if each not in prepared]
        ) as mock:
            for prepared_operation, params in PREPARATIONS:
                call(mock, prepared_operation, **params)
            made = len(mock.calls)
            try:
                call(mock, operation, **REQUESTS[operation])
            except ClientError as error:
                return error.response["Error"]["Code"], mock.calls[made:]
            return None, mock.calls[made:]

    prepared = {"iam:PassRole", "sagemaker:AddTags", *(f"sagemaker:{name}" for name, _ in PREPARATIONS)}
    action = f"sagemaker:{operation}"
    others = [each for each in ACTIONS if each != action]

    assert attempt(others)[0] is None
    if action not in prepared:
        code, (recorded,) = attempt([action])
        assert (code, recorded.error.code) == ("AccessDeniedException", "AccessDeniedException")


# --- denied


def test_a_denied_action_is_refused_in_the_words_of_aws(clock):
    """The message names the caller, the action and the resource, and nothing changes."""
    with mock_inference_experiment(clock=clock, denied=["sagemaker:StopInferenceExperiment"]) as mock:
        call(mock, "CreateInferenceExperiment", **create())
        before = everything(mock)

        message = denial(mock, "StopInferenceExperiment", **stop())

        assert everything(mock) == before
    assert message == (
        "User: arn:aws:sts::123456789012:assumed-role/caller/mock-sagemaker-ie is not authorized to perform: "
        f"sagemaker:StopInferenceExperiment on resource: {EXPERIMENT_ARN} because no identity-based policy allows the "
        "sagemaker:StopInferenceExperiment action"
    )


@pytest.mark.parametrize("pattern", ["sagemaker:Delete*", "sagemaker:deletemodel", "*", "sagemaker:Delete?odel"])
def test_patterns_have_wildcards_and_ignore_the_case(pattern):
    """As in IAM."""
    with mock_inference_experiment(denied=[pattern]) as mock:
        assert "sagemaker:DeleteModel on resource" in denial(mock, "DeleteModel", ModelName=MODEL)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("iam:PassRole", f"iam:PassRole on resource: {ROLE}"),
        ("sagemaker:AddTags", f"sagemaker:AddTags on resource: {EXPERIMENT_ARN}"),
    ],
)
def test_create_needs_the_role_and_tags_too(pattern, expected):
    """Each is denied by its own action."""
    with mock_inference_experiment(denied=[pattern]) as mock:
        assert expected in denial(mock, "CreateInferenceExperiment", **create(Tags=TAGS))


@pytest.mark.parametrize("operation", INVOCATIONS)
def test_an_invocation_can_be_denied(operation, sagemaker):
    """No model is called."""
    with mock_inference_experiment(denied=["sagemaker:Invoke*"]) as mock:
        sagemaker.create_inference_experiment(**create())

        message = denial(mock, operation, EndpointName=UNDER_TEST, Body=b"1")

        assert f"sagemaker:{operation} on resource: {PREFIX}:endpoint/{UNDER_TEST}" in message
        assert mock.metrics == ()


def test_permission_comes_before_the_existence_of_a_resource():
    """A caller without permission does not learn whether a resource exists (inferred)."""
    with mock_inference_experiment(denied=["sagemaker:Describe*"]) as mock:
        denial(mock, "DescribeInferenceExperiment", Name="missing")


# --- role_denied


@pytest.mark.parametrize("pattern", ["sagemaker:CreateEndpoint", "sagemaker:*", "*"])
def test_a_role_that_may_not_create_the_endpoint_cancels_the_experiment(clock, sagemaker, pattern):
    """Create succeeds, and StatusReason says what the role may not do (inferred). There is no endpoint."""
    with mock_inference_experiment(clock=clock, role_denied=[pattern]) as mock:
        sagemaker.create_inference_experiment(**create())

        described = sagemaker.describe_inference_experiment(Name=NAME)

        assert described["Status"] == "Cancelled"
        assert described["StatusReason"] == (
            "User: arn:aws:sts::123456789012:assumed-role/shadow-tests/SageMaker is not authorized to perform: "
            f"sagemaker:CreateEndpoint on resource: {PREFIX}:endpoint/{UNDER_TEST} because no identity-based policy "
            "allows the sagemaker:CreateEndpoint action"
        )
        assert sagemaker.list_endpoints()["Endpoints"] == []
        assert [str(each.status) for each in mock.timeline(NAME).segments] == ["Creating", "Cancelled"]
        sagemaker.delete_inference_experiment(Name=NAME)


def test_a_role_that_may_not_update_the_endpoint_leaves_it_as_it_is(clock, sagemaker):
    """The experiment is Cancelled when it would deploy the shadow; the endpoint can be changed again."""
    minute = dt.timedelta(minutes=1)
    durations = Durations(creating=minute, starting=minute)
    with mock_inference_experiment(clock=clock, durations=durations, role_denied=["sagemaker:UpdateEndpoint"]) as mock:
        sagemaker.create_endpoint_config(**endpoint_config(CONFIG, deployed()))
        ENDPOINTS.create(sagemaker, UNDER_TEST)
        before = ENDPOINTS.describe(sagemaker, UNDER_TEST)
        start = START + dt.timedelta(hours=1)
        sagemaker.create_inference_experiment(**create(Schedule={"StartTime": start}))

        assert mock.advance_until(NAME, "Cancelled") == start

        assert "sagemaker:UpdateEndpoint" in mock.experiments[NAME]["StatusReason"]
        assert ENDPOINTS.describe(sagemaker, UNDER_TEST) == before
        sagemaker.delete_endpoint(EndpointName=UNDER_TEST)


def test_a_role_without_denied_actions_is_not_checked(clock, sagemaker):
    """An action that the experiment does not need does not matter."""
    with mock_inference_experiment(clock=clock, role_denied=["sagemaker:UpdateEndpoint"]) as mock:
        sagemaker.create_inference_experiment(**create())

        assert mock.experiments[NAME]["Status"] == "Running"


# --- bad input


@pytest.mark.parametrize("option", ["denied", "role_denied"])
@pytest.mark.parametrize("value", ["sagemaker:Stop*", 1, [1], {"sagemaker:*": True}, None], ids=repr)
def test_a_value_that_is_no_list_of_actions_is_refused(option, value):
    """The message says what was expected, with an example."""
    with pytest.raises(TypeError, match=f"{option}=.*expected a list of IAM actions, e.g."):
        mock_inference_experiment(**{option: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"denied": ["sagemaker:StopInferenceExperiments"]}, "did you mean 'sagemaker:StopInferenceExperiment'"),
        ({"denied": ["StopInferenceExperiment"]}, "matches no action"),
        ({"role_denied": ["s3:PutObject"]}, "expected one of sagemaker:CreateEndpoint, sagemaker:UpdateEndpoint"),
    ],
    ids=["misspelt", "without service", "of another service"],
)
def test_a_pattern_that_matches_no_action_is_refused(options, message):
    """It would deny nothing."""
    with pytest.raises(ValueError, match=message):
        mock_inference_experiment(**options)
