"""The default region of a mock's own methods is the region of the process, or that of the option region_name."""

from __future__ import annotations

import datetime as dt
import sys

import boto3
import pytest

from mock_sagemaker_ie import Durations, mock_inference_experiment
from tests.conftest import START
from tests.requests import NAME, create

WEST, EAST = "eu-west-1", "us-east-1"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


@pytest.fixture(autouse=True)
def no_default_session(monkeypatch):
    """Let each test begin without boto3's default session, which another test may have left."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def launch(region=None, name=NAME):
    """Create an experiment with a client as code under test makes it: without a region, boto3 chooses one."""
    sagemaker = boto3.client("sagemaker", region_name=region, **KEYS)
    sagemaker.create_inference_experiment(**create(name))


def test_the_mock_uses_the_region_of_the_process(monkeypatch):
    """Every method without region_name= finds what a client without a region made."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", WEST)
    with mock_inference_experiment(clock=START, durations=Durations.realistic(), unused_faults="ignore") as mock:
        launch()

        assert mock.region_name == mock.client().meta.region_name == WEST
        assert list(mock.experiments) == [NAME]
        assert mock.timeline(NAME).present.status == "Creating"
        assert mock.advance_until(NAME, "Running") > START
        mock.fail_endpoint(mock.experiments[NAME]["EndpointMetadata"]["EndpointName"], "Broken")
        mock.fail_experiment(NAME, "Broken", at=mock.now() + dt.timedelta(minutes=1))
        mock.clock.advance(hours=1)
        assert mock.experiments[NAME]["StatusReason"] == "Broken"
        assert mock.experiments_in(EAST) == {}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, EAST),
        ({"AWS_DEFAULT_REGION": ""}, EAST),
        ({"AWS_DEFAULT_REGION": WEST}, WEST),
        ({"AWS_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_DEFAULT_REGION": WEST, "AWS_REGION": "eu-west-2"}, WEST),
    ],
)
def test_the_environment_gives_the_region(monkeypatch, environment, expected):
    """AWS_DEFAULT_REGION is what boto3 reads; AWS_REGION counts without it; without both it is us-east-1."""
    with mock_inference_experiment() as mock:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        assert mock.region_name == expected


def test_the_default_session_gives_the_region(monkeypatch):
    """The region of boto3.setup_default_session counts more than the environment, as for a client of boto3."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    with mock_inference_experiment() as mock:
        boto3.setup_default_session(region_name=WEST)
        launch()

        assert list(mock.experiments) == [NAME]


def test_boto3_is_not_imported_for_the_region(monkeypatch):
    """A program with botocore alone has a default region too."""
    monkeypatch.delitem(sys.modules, "boto3")
    with mock_inference_experiment() as mock:
        assert mock.region_name == EAST
        assert "boto3" not in sys.modules


def test_the_option_counts_more_than_the_process(monkeypatch):
    """With region_name= the region of the process does not matter."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", EAST)
    with mock_inference_experiment(region_name=WEST) as mock:
        launch(WEST)

        assert mock.client().meta.region_name == WEST
        assert list(mock.experiments) == [NAME]


@pytest.mark.parametrize("region", ["", "ireland", "eu-west", "eu-west-1 ", "EU-WEST-1", 1, ["eu-west-1"]])
def test_a_malformed_region_is_refused(region):
    """The error says what came and what was expected."""
    with pytest.raises(ValueError, match=r"region_name=.*: expected the name of a region, e.g. 'eu-west-1'"):
        mock_inference_experiment(region_name=region)


# --- names in other regions and accounts

USES = {
    "timeline": lambda mock: mock.timeline(NAME),
    "advance_until": lambda mock: mock.advance_until(NAME, "Running"),
    "fail_experiment": lambda mock: mock.fail_experiment(NAME, "Broken"),
    "fail_endpoint": lambda mock: mock.fail_endpoint("my-endpoint", "Broken"),
    "experiments": lambda mock: mock.experiments[NAME],
    "experiments_in": lambda mock: mock.experiments_in("eu-west-2")[NAME],
}


@pytest.mark.parametrize("way", USES)
def test_the_error_says_which_region_has_the_name(way):
    """A name that only another region has raises LookupError, with the argument or the method that finds it."""
    with mock_inference_experiment() as mock:
        sagemaker = boto3.client("sagemaker", region_name=WEST, **KEYS)
        sagemaker.create_inference_experiment(**create(EndpointName="my-endpoint"))

        with pytest.raises(
            LookupError, match=r"does not exist.* But region eu-west-1 of account 1.* has it: "
        ) as caught:
            USES[way](mock)

    takes_arguments = not way.startswith("experiments")
    way_out = "pass region_name='eu-west-1'." if takes_arguments else "use mock.experiments_in('eu-west-1')."
    assert way_out in str(caught.value)
    assert "account_id=" not in str(caught.value)


def test_the_error_says_which_account_has_the_name():
    """A name that only another account has raises LookupError, with the argument that finds it."""
    with mock_inference_experiment(account_id="210987654321") as owner:
        launch(EAST)
        with pytest.raises(LookupError, match="pass account_id='210987654321'"):
            owner.timeline(NAME, account_id="123456789012")
        with pytest.raises(KeyError, match=r"use mock\.experiments_in\('us-east-1', '210987654321'\)"):
            owner.experiments_in("us-east-1", "123456789012")[NAME]


def test_a_name_that_nobody_has_is_missing():
    """Without another region to name, the errors are as before."""
    with mock_inference_experiment() as mock:
        with pytest.raises(LookupError, match=r"Inference experiment my-experiment does not exist\.$"):
            mock.timeline(NAME)
        with pytest.raises(KeyError, match=r"^'my-experiment'$"):
            mock.experiments[NAME]


def test_the_ini_option_gives_the_region(pytester, monkeypatch):
    """The fixture uses the region of sagemaker_ie_region_name, and the marker's option counts more."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nsagemaker_ie_region_name = eu-west-1")
    pytester.makepyfile("""
        import pytest

        def test_ini(sagemaker_ie):
            assert sagemaker_ie.region_name == "eu-west-1"

        @pytest.mark.sagemaker_ie(region_name=None)
        def test_marker(sagemaker_ie):
            assert sagemaker_ie.region_name == "eu-west-2"

        def test_server(sagemaker_ie_server):
            assert sagemaker_ie_server.environment["AWS_REGION"] == "eu-west-1"
    """)

    pytester.runpytest_inprocess("-p", "no:hypothesispytest").assert_outcomes(passed=3)
