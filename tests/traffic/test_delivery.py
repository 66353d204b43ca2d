"""Delivery of captures: files in S3 or in a folder, with the layout of AWS and without lost records."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import DeliveryWarning, mock_inference_experiment
from tests.requests import ENDPOINT, PRODUCTION, SHADOW, create, stop
from tests.traffic.shared import (
    BUCKET,
    DESTINATION,
    KEYS,
    create_endpoint,
    create_experiment,
    data_capture,
    invoke,
    invoke_times,
    shadow_variants,
    split_lines,
    stored_lines,
)

if TYPE_CHECKING:
    from collections.abc import Callable

UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


class Target(NamedTuple):
    """A target of deliveries: a value for the option `s3`, and a function that returns all lines by file key."""

    s3: Any
    files: Callable[[], dict[str, list[str]]]


@pytest.fixture(params=["S3", "folder"])
def target(request, tmp_path):
    """Return moto's S3, or a folder that does not exist yet."""
    if request.param == "S3":
        s3 = request.getfixturevalue("s3")
        return Target(s3, lambda: stored_lines(s3))
    folder = tmp_path / "not" / "yet"
    return Target(
        folder, lambda: {str(path.relative_to(folder)): split_lines(path.read_bytes()) for path in files(folder)}
    )


def files(folder: Path) -> list[Path]:
    """Return every file below a folder, including hidden files."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.fixture
def delivering_mock(clock, target):
    """Activate a mock on `clock` that delivers to `target`."""
    with mock_inference_experiment(clock=clock, s3=target.s3) as mock:
        yield mock


def create_capturing_experiment(sagemaker, destination=DESTINATION, **changes):
    """Create an experiment that captures every request."""
    create_experiment(sagemaker, DataStorageConfig={"Destination": destination}, **changes)


def captured_lines(mock, variant=PRODUCTION):
    """Return the captured lines of a variant, which its files together must contain."""
    return [capture.line for capture in mock.captures if capture.variant == variant]


def files_of(variant, lines_by_key):
    """Return the lines of each file of a variant."""
    return [lines for key, lines in lines_by_key.items() if f"/{variant}/" in key]


# --- files


@pytest.mark.parametrize(
    ("destination", "prefix"),
    [
        (f"s3://{BUCKET}/traffic", "traffic/"),
        (f"s3://{BUCKET}/traffic/", "traffic/"),
        (f"s3://{BUCKET}/two/levels", "two/levels/"),
        (f"s3://{BUCKET}", ""),
        (f"s3://{BUCKET}/", ""),
    ],
)
def test_a_key_has_the_layout_of_aws(delivering_mock, sagemaker, runtime, target, destination, prefix):  # noqa: PLR0917
    """A key has the destination, endpoint, variant, year to hour, and minute, second and millisecond, in UTC."""
    create_capturing_experiment(sagemaker, destination)
    delivering_mock.clock.move_to("2026-01-02T05:04:05.006+02:00")

    invoke(runtime)

    for variant, key in zip((PRODUCTION, SHADOW), target.files(), strict=True):
        layout = rf"{prefix}{ENDPOINT}/{variant}/2026/01/02/03/04-05-006-{UUID4}\.jsonl"
        assert re.fullmatch(layout, key)


def test_captures_of_one_minute_are_in_one_file(delivering_mock, sagemaker, runtime, target):
    """Each variant has its own file, and a line is in the file as soon as the call has been answered."""
    create_capturing_experiment(sagemaker)

    for count in (1, 2, 3):
        invoke(runtime)
        delivering_mock.clock.advance(seconds=20)

        for variant in (PRODUCTION, SHADOW):
            assert files_of(variant, target.files()) == [captured_lines(delivering_mock, variant)]
            assert len(captured_lines(delivering_mock, variant)) == count

    invoke(runtime)
    lines = captured_lines(delivering_mock)
    assert files_of(PRODUCTION, target.files()) == [lines[:3], lines[3:]]


def test_a_file_has_at_most_100_lines(delivering_mock, sagemaker, runtime, target):
    """Requests of one minute are split into several files after each 100 lines."""
    create_capturing_experiment(sagemaker, percentage=0)

    invoke_times(runtime, 201)

    written = files_of(PRODUCTION, target.files())
    assert sorted(len(lines) for lines in written) == [1, 100, 100]
    assert sorted(line for lines in written for line in lines) == sorted(captured_lines(delivering_mock))


def test_nothing_is_delivered_without_the_option_s3(mock, sagemaker, runtime, s3):
    """Without `s3=` captures are only in `mock.captures`, even if the bucket exists."""
    create_capturing_experiment(sagemaker)

    invoke(runtime)

    assert len(mock.captures) == 2
    assert stored_lines(s3) == {}


def test_a_reset_starts_new_files(delivering_mock, sagemaker, runtime, target):
    """After a reset, files from before stay unchanged, and new captures are written to new files."""
    create_capturing_experiment(sagemaker)
    invoke(runtime)
    before = target.files()

    delivering_mock.reset()
    create_capturing_experiment(sagemaker)
    invoke(runtime)

    after = target.files()
    assert {key: after.pop(key) for key in before} == before
    assert list(after.values()) == [
        captured_lines(delivering_mock, PRODUCTION),
        captured_lines(delivering_mock, SHADOW),
    ]


# --- encryption


def encryption_of(s3, key):
    """Return the kind of encryption of an object and the ID of its KMS key."""
    head = s3.head_object(Bucket=BUCKET, Key=key)
    return head["ServerSideEncryption"], head.get("SSEKMSKeyId")


@pytest.mark.parametrize(
    "configure",
    [
        lambda sagemaker, key: create_experiment(
            sagemaker, DataStorageConfig={"Destination": DESTINATION, "KmsKey": key}
        ),
        lambda sagemaker, key: create_endpoint(sagemaker, **shadow_variants(), **data_capture(KmsKeyId=key)),
    ],
    ids=["experiment", "endpoint"],
)
def test_the_kms_key_is_passed_to_s3(clock, sagemaker, runtime, s3, configure):
    """Files are encrypted with the KMS key of the experiment or of the endpoint configuration."""
    with mock_inference_experiment(clock=clock, s3=s3):
        configure(sagemaker, "alias/captured")
        invoke(runtime)

    assert [encryption_of(s3, key) for key in stored_lines(s3)] == [("aws:kms", "alias/captured")] * 2


def test_captures_with_different_kms_keys_are_in_different_files(clock, sagemaker, runtime, s3):
    """This holds even for captures of one endpoint in one minute."""
    with mock_inference_experiment(clock=clock, s3=s3):
        for key in ("alias/one", "alias/other"):
            name = key.replace("/", "-")
            storage = {"Destination": DESTINATION, "KmsKey": key}
            sagemaker.create_inference_experiment(**create(name, EndpointName=ENDPOINT, DataStorageConfig=storage))
            invoke(runtime)
            sagemaker.stop_inference_experiment(**stop(name))

    kms_keys = [encryption_of(s3, key)[1] for key in stored_lines(s3) if PRODUCTION in key]
    assert sorted(kms_keys) == ["alias/one", "alias/other"]


# --- failed deliveries


@pytest.fixture
def s3_without_bucket(moto):
    """Return a client of moto's S3, in which no bucket exists."""
    return boto3.client("s3", **KEYS)


def test_an_invocation_succeeds_and_warns_if_the_bucket_is_missing(clock, sagemaker, runtime, s3_without_bucket):
    """The warning names the destination and the reason, and the records are in `mock.captures`."""
    entry = mock_inference_experiment(clock=clock, s3=s3_without_bucket)
    mock = entry.start()
    create_capturing_experiment(sagemaker)

    with pytest.warns(DeliveryWarning, match=rf"{DESTINATION}/{ENDPOINT}.*NoSuchBucket"):
        answer = invoke(runtime)

    assert answer["Body"] == b"1,2,3"
    assert [capture.variant for capture in mock.captures] == [PRODUCTION, SHADOW]
    with pytest.warns(DeliveryWarning, match="NoSuchBucket"):
        entry.stop()


@pytest.mark.parametrize("invoke_again", [True, False], ids=["next invocation", "end of the mock"])
def test_a_failed_delivery_is_repeated(clock, sagemaker, runtime, s3_without_bucket, invoke_again):
    """The records are delivered with the next invocation, or at the end of the mock, after the bucket was created."""
    with mock_inference_experiment(clock=clock, s3=s3_without_bucket) as mock:
        create_capturing_experiment(sagemaker)
        with pytest.warns(DeliveryWarning):
            invoke(runtime)
        s3_without_bucket.create_bucket(Bucket=BUCKET)
        if invoke_again:
            invoke(runtime)
            assert files_of(PRODUCTION, stored_lines(s3_without_bucket)) == [captured_lines(mock)]

    assert files_of(PRODUCTION, stored_lines(s3_without_bucket)) == [captured_lines(mock)]
    assert files_of(SHADOW, stored_lines(s3_without_bucket)) == [captured_lines(mock, SHADOW)]


@pytest.mark.parametrize(
    ("times", "seconds", "files"),
    [
        (201, 0, [("00-00", 100), ("00-00", 100), ("00-00", 1)]),
        (5, 30, [("00-00", 2), ("01-00", 2), ("02-00", 1)]),
    ],
    ids=["more than 100 lines", "more than one minute"],
)
@pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.DeliveryWarning")
def test_repeated_deliveries_have_the_same_files(clock, sagemaker, runtime, s3_without_bucket, times, seconds, files):  # noqa: PLR0917
    """Files delivered late also have at most 100 lines of at most one minute, and their start time as name."""
    with mock_inference_experiment(clock=clock, s3=s3_without_bucket) as mock:
        create_capturing_experiment(sagemaker, percentage=0)
        for _ in range(times):
            invoke(runtime)
            mock.clock.advance(seconds=seconds)
        s3_without_bucket.create_bucket(Bucket=BUCKET)

    written = stored_lines(s3_without_bucket)
    assert sorted((key.rpartition("/")[2][:5], len(lines)) for key, lines in written.items()) == sorted(files)
    assert sorted(line for lines in written.values() for line in lines) == sorted(captured_lines(mock))


@pytest.mark.filterwarnings("error::mock_sagemaker_ie.DeliveryWarning")
def test_records_are_delivered_although_the_warning_is_an_error(clock, sagemaker, runtime, s3_without_bucket):
    """If the test turns DeliveryWarning into an error, the caller gets it; both records are delivered later."""
    with mock_inference_experiment(clock=clock, s3=s3_without_bucket) as mock:
        create_capturing_experiment(sagemaker)
        with pytest.raises(DeliveryWarning):
            invoke(runtime)
        s3_without_bucket.create_bucket(Bucket=BUCKET)

    assert [files_of(variant, stored_lines(s3_without_bucket)) for variant in (PRODUCTION, SHADOW)] == [
        [captured_lines(mock, variant)] for variant in (PRODUCTION, SHADOW)
    ]


def test_a_failed_delivery_of_one_variant_does_not_block_the_other(clock, sagemaker, runtime, s3):
    """If S3 denies access for the shadow's files, the record of production is still delivered."""
    allowed = []

    def deny_access_for_shadow(params, **_):
        if SHADOW in params["Key"] and not allowed:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "PutObject")

    s3.meta.events.register("provide-client-params.s3.PutObject", deny_access_for_shadow)
    with mock_inference_experiment(clock=clock, s3=s3) as mock:
        create_capturing_experiment(sagemaker)

        with pytest.warns(DeliveryWarning, match="AccessDenied"):
            invoke(runtime)

        assert [files_of(variant, stored_lines(s3)) for variant in (PRODUCTION, SHADOW)] == [[captured_lines(mock)], []]
        allowed.append(True)


# --- folders


def test_a_file_is_replaced_atomically(clock, sagemaker, runtime, tmp_path):
    """A reader that has the file open still reads the old content."""
    with mock_inference_experiment(clock=clock, s3=tmp_path) as mock:
        create_capturing_experiment(sagemaker, percentage=0)
        invoke(runtime)
        (path,) = files(tmp_path)

        with path.open("rb") as reader:
            invoke(runtime)

            assert split_lines(reader.read()) == captured_lines(mock)[:1]
        assert split_lines(path.read_bytes()) == captured_lines(mock)


def test_a_folder_that_is_not_writable_warns(clock, sagemaker, runtime, tmp_path):
    """No partial file is left, and the records are delivered when the folder has become writable."""
    (tmp_path / "traffic").write_text("a file with the name of the folder")
    with mock_inference_experiment(clock=clock, s3=tmp_path) as mock:
        create_capturing_experiment(sagemaker, percentage=0)
        with pytest.warns(DeliveryWarning, match="traffic"):
            invoke(runtime)
        assert files(tmp_path) == [tmp_path / "traffic"]

        (tmp_path / "traffic").unlink()

    (path,) = files(tmp_path)
    assert split_lines(path.read_bytes()) == captured_lines(mock)


@pytest.mark.parametrize("prefix", ["../../elsewhere", "inside/../../elsewhere", "/elsewhere", "link/elsewhere"])
@pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.DeliveryWarning")  # The delivery is repeated when the mock ends.
def test_a_destination_outside_the_folder_is_not_written(clock, sagemaker, runtime, tmp_path, prefix):
    """S3 would accept such a key. With a folder it is not written and warns, and the invocation is answered."""
    folder = tmp_path / "parent" / "folder"
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path)
    with mock_inference_experiment(clock=clock, s3=folder) as mock:
        create_capturing_experiment(sagemaker, f"s3://{BUCKET}/{prefix}")

        with pytest.warns(DeliveryWarning, match="outside the folder"):
            assert invoke(runtime)["Body"] == b"1,2,3"

        assert len(mock.captures) == 2
    assert files(tmp_path) == []
    assert not Path("/elsewhere").exists()


# --- the option


@pytest.mark.parametrize("value", ["captured", b"captured", object()], ids=["str", "bytes", "object"])
def test_the_option_s3_takes_only_a_client_or_a_path(value):
    """Any other value raises a TypeError that names the expected types when the mock is created."""
    with pytest.raises(TypeError, match=r"s3=.*expected a.*client"):
        mock_inference_experiment(s3=value)
