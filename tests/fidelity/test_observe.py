"""observe and conform over HTTP: a server with other assumptions, servers that fail, and moto's server."""

from __future__ import annotations

import json
import re

import boto3
import pytest
from moto.server import ThreadedMotoServer

from mock_sagemaker_ie.fidelity import report
from mock_sagemaker_ie.fidelity.conform import conform
from mock_sagemaker_ie.fidelity.observations import PROBES, read, read_folder
from mock_sagemaker_ie.fidelity.observe import Order, observe, target_for
from tests.fidelity.shared import OTHERS, SECRETS, observed, resources, service, steps

pytestmark = pytest.mark.usefixtures("credentials")


def test_conform_finds_exactly_the_assumptions_of_a_server(tmp_path):
    """All probes, over HTTP: nothing stays on the server, and no difference stays unexplained."""
    with service(assumptions=OTHERS) as server:
        run = observed(tmp_path, server)

        assert (run.left, run.ended_by) == ([], "")
        assert resources(server) == []

    result = conform(read_folder(tmp_path))

    assert len(result.comparisons) == len(PROBES)
    assert result.explaining == OTHERS
    assert result.unexplained == []
    assert len(result.differences) > 14


def test_an_observation_identifies_nobody(tmp_path):
    """No file has an account, role, image, bucket, region, host, generated name or request id."""
    with service() as server:
        observed(tmp_path, server, capture="s3://secret-bucket/folder")
        host = server.url.removeprefix("http://")

    texts = "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())

    hidden = ["210987654321", "secret-role", "private-image", "secret-bucket", "eu-west-1", host, "mock-ie-"]
    assert [word for word in hidden if word in texts] == []
    assert "2026-01-0" not in texts.replace('"date": "2026-01-0', "")
    found = re.findall(
        r"\b[0-9]{12}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-|https?://|arn:aws:iam|\b1[67][0-9]{8}\b|[0-9]T[0-9]{2}:", texts
    )
    assert found == []
    assert all(word in texts for word in ("<account>", "<region>", "<prefix>", "<id>"))


def test_what_a_run_makes_has_tags(tmp_path):
    """Each model and experiment says who made it, and for which run."""
    with service() as server:
        observed(tmp_path, server, "delete_in_created")
        made = [call for call in server.mock.calls if call.operation in ("CreateModel", "CreateInferenceExperiment")]

    assert len(made) == 3
    assert all({"Key": "created-by", "Value": "mock-sagemaker-ie"} in call.params["Tags"] for call in made)


def test_access_denied_is_an_observation_and_the_rest_goes_on(tmp_path):
    """The answer is written; it says nothing about the behaviour, so it is no difference."""
    with service() as server:
        server.mock.fail_next("StartInferenceExperiment", "AccessDeniedException")
        run = observed(tmp_path, server, "unknown_experiment", tier=0)

    result = conform(read_folder(tmp_path))

    assert run.ended_by == ""
    assert steps(tmp_path, "unknown_experiment")["start"]["outcome"] == "AccessDeniedException"
    assert steps(tmp_path, "unknown_experiment")["delete"]["outcome"] == "ResourceNotFound"
    assert result.differences == []
    assert result.comparisons["unknown_experiment"].unseen == {"start": "AccessDeniedException"}


def test_a_throttled_call_is_retried(tmp_path, monkeypatch):
    """The observation has the answer of the last attempt."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    with service() as server:
        server.mock.fail_next("StartInferenceExperiment", "ThrottlingException", times=2)
        observed(tmp_path, server, "unknown_experiment", tier=0)

    assert conform(read_folder(tmp_path)).comparisons["unknown_experiment"].unseen == {}


def test_credentials_that_are_not_accepted_end_the_run(tmp_path):
    """Every other call would fail too. What was seen is kept."""
    with service() as server:
        server.mock.fail_next("StopInferenceExperiment", "ExpiredTokenException")
        run = observed(tmp_path, server, tier=0)

    assert run.ended_by == "the service does not accept these credentials: ExpiredTokenException"
    assert [path.name for path in tmp_path.iterdir()] == ["unknown_experiment.json"]
    assert list(steps(tmp_path, "unknown_experiment")) == ["describe", "update", "start", "stop"]


def test_a_server_that_fails_in_the_middle_leaves_a_partial_observation(tmp_path):
    """What was seen is written and marked, what could not be removed is named, and conform compares what there is."""
    with service() as server:

        def fail(number):
            if number == 3:
                server.http.shutdown()
                server.http.server_close()

        run = observed(tmp_path, server, "running", on_wait=fail)

    observation = read(tmp_path / "running.json")
    assert "was not answered" in run.ended_by
    assert observation.ended_by.startswith("DescribeInferenceExperiment was not answered")
    assert [each["step"] for each in observation.steps][-1] == "until running is Running"
    kinds = ["InferenceExperiment", "Endpoint", "EndpointConfig", "Model", "Model"]
    assert [line.split()[0] for line in run.left] == kinds
    assert sum("NOT REMOVED" in line for line in run.said) == 5
    result = conform([observation])
    assert result.differences == []
    assert "ended before its last step" in report.text(result, [observation])


@pytest.mark.parametrize("number", [1, 6, 12])
def test_ctrl_c_cleans_up(tmp_path, number):
    """Whatever the run was waiting for: nothing stays on the server, and the observation says what happened."""
    with service() as server:

        def interrupt(count):
            if count == number:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            observed(tmp_path, server, "early_start", on_wait=interrupt)

        assert resources(server) == []
    assert read(tmp_path / "early_start.json").ended_by == "Ctrl-C"


@pytest.mark.parametrize(("times", "left"), [(2, 0), (3, 5)])
def test_ctrl_c_in_the_clean_up_needs_another_to_end_it(tmp_path, times, left):
    """The first one says so, and removing goes on. After another, what is left is named."""
    said = []
    with service() as server:

        def interrupt(count):
            if count <= times:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            observed(tmp_path, server, "early_start", on_wait=interrupt, say=said.append)

        assert len(resources(server)) == left
    assert "  removing goes on; another Ctrl-C ends it" in said
    assert sum("NOT REMOVED" in line for line in said) == left
    assert any("endpoint configurations whose names begin with mock-ie-" in line for line in said) is bool(left)


def test_an_observation_that_cannot_be_written_leaves_nothing_on_the_server(tmp_path):
    """For example on a full disk: the clean-up comes all the same, and then the error."""
    (tmp_path / "delete_in_created.json").mkdir()
    with service() as server:
        with pytest.raises(IsADirectoryError):
            observed(tmp_path, server, "delete_in_created")

        assert resources(server) == []


def test_what_cannot_be_removed_is_named(tmp_path):
    """The reason is the answer of the service; everything else is removed."""
    with service() as server:
        server.mock.fail_next("DeleteModel", "AccessDeniedException", times=1000)
        run = observed(tmp_path, server, "delete_in_created")

        assert len(resources(server)) == 2
    assert [line.split()[0] for line in run.left] == ["Model", "Model"]
    assert all("AccessDeniedException" in line for line in run.left)


def test_captures_and_metrics_come_from_s3_and_cloudwatch(tmp_path, monkeypatch):
    """The server delivers both to moto's server, where the run reads them."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        url = f"http://{host}:{port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", url)
        keys = {"region_name": "us-east-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        s3 = boto3.client("s3", endpoint_url=url, **keys)
        cloudwatch = boto3.client("cloudwatch", endpoint_url=url, **keys | {"region_name": "eu-west-1"})
        s3.create_bucket(Bucket="bucket")
        with service(s3=s3, cloudwatch=cloudwatch) as server:
            observed(tmp_path, server, "running", capture="s3://bucket/captured")
    finally:
        moto.stop()

    seen = steps(tmp_path, "running")
    assert seen["captures"]["delivered"]["shared event ids"] is False
    assert "Invocations(EndpointConfigName, EndpointName, VariantName)" in seen["metrics"]["delivered"]
    result = conform(read_folder(tmp_path))
    assert (result.differences, result.comparisons["running"].unseen) == ([], {})


def test_moto_differs_without_a_traceback(tmp_path):
    """moto has models, configurations and endpoints: its differences are listed, and it is left clean."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        order = Order(2, True, "eu-west-1", f"http://{host}:{port}", **SECRETS)
        target = target_for(order)._replace(wait=lambda seconds: None)
        left, ended_by = observe(order.probes, target, tmp_path, lambda text: None)
        sagemaker = target.client("sagemaker")
        there = sagemaker.list_models()["Models"] + sagemaker.list_endpoints()["Endpoints"]
    finally:
        moto.stop()

    observations = read_folder(tmp_path)
    text = report.text(conform(observations), observations)

    assert (ended_by, there) == ("", [])
    assert all(line.startswith("InferenceExperiment ") and "(500)" in line for line in left)
    assert len(observations) == len(PROBES)
    assert "models, create again, outcome: observed " in text
    assert "Traceback" not in text + "".join(json.dumps(each.steps) for each in observations)
