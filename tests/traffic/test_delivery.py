"""Where captures are delivered to: files in S3 or in a folder, as AWS lays them out, and no record lost."""

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
    capturing,
    invoke,
    invoke_times,
    launch,
    lines,
    serve,
    stored,
    with_shadow,
)

if TYPE_CHECKING:
    from collections.abc import Callable

UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


class Place(NamedTuple):
    """A place to deliver to: the option `s3`, and a look at the lines of every file that is there, by key."""

    s3: Any
    files: Callable[[], dict[str, list[str]]]


@pytest.fixture(params=["S3", "a folder"])
def place(request, tmp_path):
    """Moto's S3, or a folder that is yet to be made."""
    if request.param == "S3":
        s3 = request.getfixturevalue("s3")
        return Place(s3, lambda: stored(s3))
    folder = tmp_path / "not" / "yet"
    return Place(folder, lambda: {str(path.relative_to(folder)): lines(path.read_bytes()) for path in files(folder)})


def files(folder: Path) -> list[Path]:
    """Every file below a folder, hidden ones too."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.fixture
def delivering(clock, place):
    """An active mock on `clock` that delivers to `place`."""
    with mock_inference_experiment(clock=clock, s3=place.s3) as mock:
        yield mock


def launch_capturing(sagemaker, destination=DESTINATION, **changes):
    """Launch an experiment that captures every request."""
    launch(sagemaker, DataStorageConfig={"Destination": destination}, **changes)


def captured(mock, variant=PRODUCTION):
    """The lines that a variant's files should have, all in all."""
    return [capture.line for capture in mock.captures if capture.variant == variant]


def of(variant, found):
    """Those of the files that are a variant's."""
    return [content for key, content in found.items() if f"/{variant}/" in key]


# --- files


@pytest.mark.parametrize(
    "destined",
    [
        (f"s3://{BUCKET}/traffic", "traffic/"),
        (f"s3://{BUCKET}/traffic/", "traffic/"),
        (f"s3://{BUCKET}/two/levels", "two/levels/"),
        (f"s3://{BUCKET}", ""),
        (f"s3://{BUCKET}/", ""),
    ],
)
def test_keys_are_those_of_aws(delivering, sagemaker, runtime, place, destined):
    """Destination, endpoint, variant, year to hour, then minute, second and millisecond: in UTC."""
    destination, prefix = destined
    launch_capturing(sagemaker, destination)
    delivering.clock.move_to("2026-01-02T05:04:05.006+02:00")

    invoke(runtime)

    for variant, key in zip((PRODUCTION, SHADOW), place.files(), strict=True):
        layout = rf"{prefix}{ENDPOINT}/{variant}/2026/01/02/03/04-05-006-{UUID4}\.jsonl"
        assert re.fullmatch(layout, key)


def test_captures_of_a_minute_share_a_file(delivering, sagemaker, runtime, place):
    """Each variant has its own; a line is there as soon as the call has been answered."""
    launch_capturing(sagemaker)

    for so_far in (1, 2, 3):
        invoke(runtime)
        delivering.clock.advance(seconds=20)

        for variant in (PRODUCTION, SHADOW):
            assert of(variant, place.files()) == [captured(delivering, variant)]
            assert len(captured(delivering, variant)) == so_far

    invoke(runtime)
    lines = captured(delivering)
    assert of(PRODUCTION, place.files()) == [lines[:3], lines[3:]]


def test_a_file_has_at_most_100_lines(delivering, sagemaker, runtime, place):
    """However many requests a minute has."""
    launch_capturing(sagemaker, percentage=0)

    invoke_times(runtime, 201)

    found = of(PRODUCTION, place.files())
    assert sorted(len(content) for content in found) == [1, 100, 100]
    assert sorted(line for content in found for line in content) == sorted(captured(delivering))


def test_nothing_is_written_unless_told(mock, sagemaker, runtime, s3):
    """Without `s3=` captures are in `mock.captures` only, though the bucket is there."""
    launch_capturing(sagemaker)

    invoke(runtime)

    assert len(mock.captures) == 2
    assert stored(s3) == {}


def test_a_reset_begins_new_files(delivering, sagemaker, runtime, place):
    """What was captured before is written no more."""
    launch_capturing(sagemaker)
    invoke(runtime)
    before = place.files()

    delivering.reset()
    launch_capturing(sagemaker)
    invoke(runtime)

    after = place.files()
    assert {key: after.pop(key) for key in before} == before
    assert list(after.values()) == [captured(delivering, PRODUCTION), captured(delivering, SHADOW)]


# --- encryption


def key_of(s3, key):
    """How an object is encrypted, and by which key."""
    head = s3.head_object(Bucket=BUCKET, Key=key)
    return head["ServerSideEncryption"], head.get("SSEKMSKeyId")


@pytest.mark.parametrize(
    "configure",
    [
        lambda sagemaker, key: launch(sagemaker, DataStorageConfig={"Destination": DESTINATION, "KmsKey": key}),
        lambda sagemaker, key: serve(sagemaker, **with_shadow(), **capturing(KmsKeyId=key)),
    ],
    ids=["by experiment", "by endpoint"],
)
def test_files_are_encrypted_by_the_key(clock, sagemaker, runtime, s3, configure):
    """The SSE-KMS key is passed on to S3."""
    with mock_inference_experiment(clock=clock, s3=s3):
        configure(sagemaker, "alias/captured")
        invoke(runtime)

    assert [key_of(s3, key) for key in stored(s3)] == [("aws:kms", "alias/captured")] * 2


def test_what_is_encrypted_by_two_keys_is_in_two_files(clock, sagemaker, runtime, s3):
    """Though it comes from one endpoint in one minute."""
    with mock_inference_experiment(clock=clock, s3=s3):
        for key in ("alias/one", "alias/other"):
            name = key.replace("/", "-")
            storage = {"Destination": DESTINATION, "KmsKey": key}
            sagemaker.create_inference_experiment(**create(name, EndpointName=ENDPOINT, DataStorageConfig=storage))
            invoke(runtime)
            sagemaker.stop_inference_experiment(**stop(name))

    keys = [key_of(s3, key)[1] for key in stored(s3) if PRODUCTION in key]
    assert sorted(keys) == ["alias/one", "alias/other"]


# --- what cannot be delivered


@pytest.fixture
def empty(moto):
    """A client of moto's S3, in which there is no bucket."""
    return boto3.client("s3", **KEYS)


def test_a_missing_bucket_is_no_matter_of_the_callers(clock, sagemaker, runtime, empty):
    """It is answered; a warning names the bucket and the reason; the record is in `mock.captures`."""
    ours = mock_inference_experiment(clock=clock, s3=empty)
    mock = ours.start()
    launch_capturing(sagemaker)

    with pytest.warns(DeliveryWarning, match=rf"{DESTINATION}/{ENDPOINT}.*NoSuchBucket"):
        answer = invoke(runtime)

    assert answer["Body"] == b"1,2,3"
    assert [capture.variant for capture in mock.captures] == [PRODUCTION, SHADOW]
    with pytest.warns(DeliveryWarning, match="NoSuchBucket"):
        ours.stop()


@pytest.mark.parametrize("another", [True, False], ids=["with the next", "at the end of the mock"])
def test_what_could_not_be_delivered_is_delivered_later(clock, sagemaker, runtime, empty, another):
    """Nothing is lost once the bucket is there."""
    with mock_inference_experiment(clock=clock, s3=empty) as mock:
        launch_capturing(sagemaker)
        with pytest.warns(DeliveryWarning):
            invoke(runtime)
        empty.create_bucket(Bucket=BUCKET)
        if another:
            invoke(runtime)
            assert of(PRODUCTION, stored(empty)) == [captured(mock)]

    assert of(PRODUCTION, stored(empty)) == [captured(mock)]
    assert of(SHADOW, stored(empty)) == [captured(mock, SHADOW)]


@pytest.mark.parametrize(
    ("times", "apart", "files"),
    [
        (201, 0, [("00-00", 100), ("00-00", 100), ("00-00", 1)]),
        (5, 30, [("00-00", 2), ("01-00", 2), ("02-00", 1)]),
    ],
)
@pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.DeliveryWarning")
def test_files_that_are_delivered_late_are_as_any_other(clock, sagemaker, runtime, empty, times, apart, files):  # noqa: PLR0917
    """They have at most 100 lines, of at most one minute, and their names say when they began."""
    with mock_inference_experiment(clock=clock, s3=empty) as mock:
        launch_capturing(sagemaker, percentage=0)
        for _ in range(times):
            invoke(runtime)
            mock.clock.advance(seconds=apart)
        empty.create_bucket(Bucket=BUCKET)

    found = stored(empty)
    assert sorted((key.rpartition("/")[2][:5], len(content)) for key, content in found.items()) == sorted(files)
    assert sorted(line for content in found.values() for line in content) == sorted(captured(mock))


@pytest.mark.filterwarnings("error::mock_sagemaker_ie.DeliveryWarning")
def test_where_warnings_are_errors_nothing_is_lost(clock, sagemaker, runtime, empty):
    """The caller then does see the warning, since the test asked for that; both records are delivered all the same."""
    with mock_inference_experiment(clock=clock, s3=empty) as mock:
        launch_capturing(sagemaker)
        with pytest.raises(DeliveryWarning):
            invoke(runtime)
        empty.create_bucket(Bucket=BUCKET)

    assert [of(variant, stored(empty)) for variant in (PRODUCTION, SHADOW)] == [
        [captured(mock, variant)] for variant in (PRODUCTION, SHADOW)
    ]


def test_s3_may_refuse_one_variant_only(clock, sagemaker, runtime, s3):
    """The other's record is delivered meanwhile."""
    allowed = []

    def refuse_the_shadow(params, **_):
        if SHADOW in params["Key"] and not allowed:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "PutObject")

    s3.meta.events.register("provide-client-params.s3.PutObject", refuse_the_shadow)
    with mock_inference_experiment(clock=clock, s3=s3) as mock:
        launch_capturing(sagemaker)

        with pytest.warns(DeliveryWarning, match="AccessDenied"):
            invoke(runtime)

        assert [of(variant, stored(s3)) for variant in (PRODUCTION, SHADOW)] == [[captured(mock)], []]
        allowed.append(True)


# --- folders


def test_a_file_is_replaced_whole(clock, sagemaker, runtime, tmp_path):
    """Whoever has it open reads on in what it was."""
    with mock_inference_experiment(clock=clock, s3=tmp_path) as mock:
        launch_capturing(sagemaker, percentage=0)
        invoke(runtime)
        (path,) = files(tmp_path)

        with path.open("rb") as reader:
            invoke(runtime)

            assert lines(reader.read()) == captured(mock)[:1]
        assert lines(path.read_bytes()) == captured(mock)


def test_a_folder_that_cannot_be_written_is_warned_of(clock, sagemaker, runtime, tmp_path):
    """Nothing is left half-written there, and the records follow once it can."""
    (tmp_path / "traffic").write_text("in the way")
    with mock_inference_experiment(clock=clock, s3=tmp_path) as mock:
        launch_capturing(sagemaker, percentage=0)
        with pytest.warns(DeliveryWarning, match="traffic"):
            invoke(runtime)
        assert files(tmp_path) == [tmp_path / "traffic"]

        (tmp_path / "traffic").unlink()

    (path,) = files(tmp_path)
    assert lines(path.read_bytes()) == captured(mock)


@pytest.mark.parametrize("prefix", ["../../elsewhere", "inside/../../elsewhere", "/elsewhere", "link/elsewhere"])
@pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.DeliveryWarning")  # At the end of the mock.
def test_no_destination_leads_out_of_the_folder(clock, sagemaker, runtime, tmp_path, prefix):
    """Such a key is fine in S3; here it is refused, with a warning, and the caller is answered."""
    folder = tmp_path / "a" / "folder"
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path)
    with mock_inference_experiment(clock=clock, s3=folder) as mock:
        launch_capturing(sagemaker, f"s3://{BUCKET}/{prefix}")

        with pytest.warns(DeliveryWarning, match="outside the folder"):
            assert invoke(runtime)["Body"] == b"1,2,3"

        assert len(mock.captures) == 2
    assert files(tmp_path) == []
    assert not Path("/elsewhere").exists()


# --- the option


@pytest.mark.parametrize("place", ["captured", b"captured", object()], ids=["a string", "bytes", "an object"])
def test_only_a_client_or_a_path_is_a_place(place):
    """Anything else is refused where it is given, and told what is expected."""
    with pytest.raises(TypeError, match=r"s3=.*expected a.*client"):
        mock_inference_experiment(s3=place)
