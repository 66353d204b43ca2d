"""The options of mock_inference_experiment, and what is said of one that makes no sense."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from mock_sagemaker_ie.backend.settings import Durations
from mock_sagemaker_ie.clock import as_clock

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection
    from typing import Literal

    from mock_sagemaker_ie.clock import Clock

DEFAULT_ACCOUNT = "123456789012"
UNUSED_FAULTS = ("warn", "error", "ignore")


class Options(TypedDict, total=False):
    """The options of mock_inference_experiment, which the fixture's marker takes too.

    `clock`: a Clock, or a datetime or ISO string at which time stands still; default: the wall clock.
    `durations`: how long transitional statuses last; default: no time.
    `account_id`: the 12 digits of the account that calls are made from, unless a client was explicitly given another.
    `strict`: refuse the names of models that nobody created; by default they are presumed to exist.
    `quotas`: how many instances all endpoints of an account and region may take, by instance type; default: no limits.
    `virtual_sleep`: make `time.sleep` and `asyncio.sleep` pass time on the clock instead of waiting.
    `s3`: a client of S3, or the path of a folder, to which captured traffic is written; default: nowhere.
    `cloudwatch`: a client of CloudWatch to which the variants' metrics are put; default: nowhere.
    `keep`: how many calls and captures are kept at most, the last ones; default: all.
    `unused_faults`: what to do about arranged faults that no call has met in the end: "warn", "error" or "ignore".
    `passthrough`: operations that are not the mock's business: neither answered nor refused.
    """

    clock: Clock | dt.datetime | str | None
    durations: Durations | None
    account_id: str
    strict: bool
    quotas: Mapping[str, int]
    virtual_sleep: bool
    s3: Any
    cloudwatch: Any
    keep: int | None
    unused_faults: Literal["warn", "error", "ignore"]
    passthrough: Collection[str]


def complete(options: dict[str, Any]) -> Options:
    """The options with every default. Raises TypeError or ValueError for one that is unknown or makes no sense."""
    if unknown := sorted(options.keys() - _OPTIONS.keys()):
        import difflib  # noqa: PLC0415 - large, and wanted for an error only

        near = difflib.get_close_matches(unknown[0], _OPTIONS, n=1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        raise TypeError(
            f"mock_inference_experiment() got an unknown option {unknown[0]!r}{guess} "
            f"(options: {', '.join(sorted(_OPTIONS))})",
        )
    checked = {name: check(options.get(name, default)) for name, (default, check) in _OPTIONS.items()}
    return cast("Options", checked)  # A test compares the table with its keys.


# --- each option's check gives the value as it is used


def _clock(clock: Any) -> Any:
    as_clock(clock)
    return clock


def _durations(durations: Any) -> Durations:
    if durations is not None and not isinstance(durations, Durations):
        raise TypeError(f"durations={durations!r}: expected Durations(…)")
    return durations or Durations()


def _account_id(account_id: Any) -> str:
    if not isinstance(account_id, str) or not re.fullmatch("[0-9]{12}", account_id):
        raise ValueError(f"account_id={account_id!r}: expected a string of 12 digits")
    return account_id


def _quotas(quotas: Any) -> dict[str, int]:
    if not isinstance(quotas, Mapping) or not all(isinstance(limit, int) and limit >= 0 for limit in quotas.values()):
        raise TypeError(f"quotas={quotas!r}: expected instance counts by type, e.g. {{'ml.m5.xlarge': 2}}")
    return dict(quotas)


def _s3(s3: Any) -> Any:
    if isinstance(s3, str):
        raise TypeError(f"s3={s3!r}: expected a client of S3, or a folder as pathlib.Path({s3!r})")
    return s3 if isinstance(s3, Path) else _client("s3", s3, "put_object")


def _cloudwatch(cloudwatch: Any) -> Any:
    return _client("cloudwatch", cloudwatch, "put_metric_data")


def _client(option: str, client: Any, verb: str) -> Any:
    if client is not None and (not hasattr(client, verb) or _is_asynchronous(client, verb)):
        raise TypeError(f"{option}={client!r}: expected a boto3 client with {verb}()")
    return client


def _is_asynchronous(client: Any, verb: str) -> bool:
    """Whether a client's calls are to be awaited. aiobotocore's methods are botocore's; what they call is not."""
    methods = (getattr(client, name, None) for name in (verb, "_make_api_call"))
    return any(inspect.iscoroutinefunction(method) for method in methods)


def _keep(keep: Any) -> int | None:
    if keep is not None and (not isinstance(keep, int) or isinstance(keep, bool) or keep < 0):
        raise TypeError(f"keep={keep!r}: expected how many calls and captures to keep, or None for all")
    return keep


def _unused_faults(choice: Any) -> Any:
    if choice not in UNUSED_FAULTS:
        raise ValueError(f"unused_faults={choice!r}: expected one of {', '.join(UNUSED_FAULTS)}")
    return choice


def _passthrough(operations: Any) -> frozenset[str]:
    if isinstance(operations, str) or not isinstance(operations, Iterable):
        raise TypeError(f"passthrough={operations!r}: expected a collection of operations, e.g. ['ListModels']")
    names = frozenset(operations)
    if unlike := [name for name in names if not re.fullmatch("[A-Z][A-Za-z0-9]*", str(name))]:
        raise ValueError(f"passthrough={unlike!r}: expected operations as AWS writes them, e.g. 'ListModels'")
    return names


# By name: the default, and the check.
_OPTIONS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "clock": (None, _clock),
    "durations": (None, _durations),
    "account_id": (DEFAULT_ACCOUNT, _account_id),
    "strict": (False, bool),
    "quotas": ({}, _quotas),
    "virtual_sleep": (False, bool),
    "s3": (None, _s3),
    "cloudwatch": (None, _cloudwatch),
    "keep": (None, _keep),
    "unused_faults": ("warn", _unused_faults),
    "passthrough": ((), _passthrough),
}
