"""The options of mock_inference_experiment: their documentation, defaults and checks."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict, cast

from mock_sagemaker_ie.backend.assumptions import Assumptions
from mock_sagemaker_ie.backend.settings import Durations
from mock_sagemaker_ie.clock import as_clock
from mock_sagemaker_ie.documentation import Page
from mock_sagemaker_ie.protocol.permissions import ROLE_ACTIONS, is_denied
from mock_sagemaker_ie.scenario import Scenario
from mock_sagemaker_ie.service.clients import ANSWERED_SERVICES, sagemaker_services, service_model
from mock_sagemaker_ie.service.permissions import ACTIONS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Sequence
    from typing import Literal

    from mock_sagemaker_ie.clock import Clock

DEFAULT_ACCOUNT = "123456789012"
_REGION = "[a-z]{2,}(-[a-z0-9]+)+-[0-9]+"
UNUSED_FAULTS = ("warn", "error", "ignore")
POLLING_FOREVER = ("error", "ignore")


class Options(TypedDict, total=False):
    """The options of `mock_inference_experiment(...)` and of the marker `@pytest.mark.sagemaker_ie(...)`.

    Every option is optional. An unknown option raises TypeError; a value that is not allowed raises TypeError or
    ValueError.

    `clock` (Clock, datetime or str; default: the time of the process, which freezegun and time-machine may set):
        The source of the present time: a MockClock, a FrozenClock, or any object whose `now()` returns an aware
        datetime. An aware datetime, or an ISO 8601 string with an offset, for example "2026-01-01T09:00:00Z", makes
        time stand still at that instant until the test moves the clock.
    `durations` (Durations; default: zero for every status):
        The time that each transitional status of experiments and endpoints lasts. With zero, a poll loop returns at
        once. `Durations.realistic()` takes minutes (a guess: AWS publishes no figures).
    `scenario` (Scenario; default: nothing happens by itself but what the schedule and `durations` say):
        Everything that the service, the network and other people do by themselves. With a scenario and without a
        `clock`, time stands still until the code under test sleeps or the test moves the clock, and `random` begins
        from the same seed in every mock, so that botocore pauses equally long between its retries. ValueError is
        raised when the scenario and `durations`, or the scenario and `assumptions`, say two things.
    `account_id` (str of 12 digits; default: "123456789012"):
        The account that calls come from. A client with explicit credentials that name another account uses that one.
    `region_name` (str or None; default: None):
        The default region of `mock.experiments`, `mock.client()` and the other methods that take `region_name=`. With
        None it is the region of the process whenever it is needed: that of `boto3.setup_default_session`, else of the
        environment variable AWS_DEFAULT_REGION, else AWS_REGION, else us-east-1.
    `strict` (bool; default: False):
        With True, the mock refuses the name of a model that does not exist, as AWS does. With False, it assumes that
        every model exists.
    `quotas` (mapping of instance type to int; default: no quotas):
        The number of instances of each type that the endpoints of one account in one region may use together, for
        example `{"ml.m5.xlarge": 2}`. A type that is not listed has no quota.
    `assumptions` (Assumptions; default: `Assumptions()`):
        What the mock assumes of AWS where nothing is documented and no real response is public, for example
        `Assumptions(busy_endpoint="ConflictException")`.
    `virtual_sleep` (bool; default: False):
        With True, the code under test sleeps in virtual time: `time.sleep` and the timers of asyncio move the clock
        instead of waiting, and `time.monotonic` and `time.time` see it. The clock must have `sleep()`.
    `polling_forever` ("error" or "ignore"; default: "error"):
        The reaction when, with `virtual_sleep=True`, the code under test polls for something that cannot happen any
        more. "error" raises PollingForeverError from its next sleep or call.
    `s3` (boto3 S3 client or pathlib.Path; default: None):
        The client that writes captured traffic to S3, or the folder for the capture files. With None, captures are
        only in `mock.captures`.
    `cloudwatch` (boto3 CloudWatch client; default: None):
        The client that sends the metrics of the variants to CloudWatch, and reads the alarms that a DeploymentConfig
        names. With None, metrics are only in `mock.metrics`, and alarms are set with `mock.alarm()`.
    `events` (boto3 EventBridge client, or function; default: None):
        The client that puts the events of endpoints and their deployments into EventBridge, or a function that takes
        each event as a dict. They are delivered at the first call or look after their instant. With None, they are only
        in `mock.events`.
    `keep` (int or None; default: None):
        The maximum number of calls, of events, of captures, and of minutes of the metrics of variants that the mock
        keeps; it drops the oldest. None keeps all.
    `unused_faults` ("warn", "error" or "ignore"; default: "warn"):
        The reaction when the mock ends and something that the test arranged was never met: a fault that no call got, a
        failure of an experiment or endpoint that did not happen, a served model that no request reached. "warn" warns
        with UnusedFaultWarning, "error" raises UnusedFaultError, "ignore" does nothing.
    `passthrough` (collection of str; default: empty):
        What the mock neither answers nor refuses: operations of SageMaker and its runtime, for example
        `["ListModels"]`; whole SageMaker services, as `boto3.client` names them, for example `["sagemaker-metrics"]`;
        operations of these, for example `["sagemaker-edge:GetDevices"]`. Such a call goes on to other mocks or to AWS.
        A call of a single operation must come from botocore, aiobotocore or `requests`: other libraries only look up
        the address of the host, which names no operation, and are refused.
    `denied` (collection of str; default: empty):
        The IAM actions that the caller may not do, for example `["sagemaker:StopInferenceExperiment"]`; `*` and `?` are
        wildcards, as in `"sagemaker:Delete*"`. A call that needs one is answered with AccessDeniedException. The
        actions of a call are those of `mock.required_policy()`, with `iam:PassRole` and, for tags in a Create request,
        `sagemaker:AddTags`.
    `role_denied` (collection of str; default: empty):
        The IAM actions that the RoleArn of an experiment may not do: `sagemaker:CreateEndpoint`,
        `sagemaker:UpdateEndpoint`, or a pattern that matches one. An experiment that needs one becomes Cancelled, with
        the reason in StatusReason (inferred: role_denied).
    `wire` (bool; default: False):
        With True, every call of a botocore or aiobotocore client travels as far as the event `before-send`: botocore
        signs it, emits every event and retries it, and a `before-send` handler that answers takes precedence over the
        mock. With False, a call is answered at `before-call`: handlers of the events up to `before-call` and of
        `after-call` run; those of `request-created`, `choose-signer`, `before-sign`, `before-send`, `before-parse`,
        `response-received` and `needs-retry` run only for a call for which `fail_next` has arranged an error.
    """

    clock: Clock | dt.datetime | str | None
    durations: Durations | None
    scenario: Scenario | None
    account_id: str
    region_name: str | None
    strict: bool
    quotas: Mapping[str, int]
    assumptions: Assumptions | None
    virtual_sleep: bool
    polling_forever: Literal["error", "ignore"]
    s3: Any
    cloudwatch: Any
    events: Any
    keep: int | None
    unused_faults: Literal["warn", "error", "ignore"]
    passthrough: Collection[str]
    denied: Collection[str]
    role_denied: Collection[str]
    wire: bool


def complete(options: dict[str, Any]) -> Options:
    """Check the options and return them with all defaults.

    Raises TypeError for an unknown option; TypeError or ValueError for a value that is not allowed.
    """
    if unknown := sorted(options.keys() - _OPTIONS.keys()):
        import difflib  # noqa: PLC0415 - large, and needed for errors only

        near = difflib.get_close_matches(unknown[0], _OPTIONS, n=1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        raise TypeError(
            f"mock_inference_experiment() got an unknown option {unknown[0]!r}{guess} "
            f"(options: {', '.join(sorted(_OPTIONS))})",
        )
    checked = {name: check(options.get(name, default)) for name, (default, check) in _OPTIONS.items()}
    _require_one_source(checked)
    return cast("Options", checked)  # A test compares _OPTIONS with the keys of Options.


def document(function: Any) -> None:
    """Let help() and editors show the options of a function that takes them as `**options`."""
    target = inspect.Parameter("target", inspect.Parameter.POSITIONAL_ONLY, default=None)
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=getattr(Options.__annotations__[name], "__forward_arg__", Options.__annotations__[name]),
        )
        for name, (default, _) in _OPTIONS.items()
    ]
    function.__signature__ = inspect.Signature([target, *options])
    _, before, descriptions = (Options.__doc__ or "").partition("    `clock`")
    function.__doc__ = f"{inspect.cleandoc(function.__doc__)}\n\n{inspect.cleandoc(before + descriptions)}\n"


# --- the checks: each returns the value that the mock uses, and raises TypeError or ValueError for a wrong one


def _clock(clock: Any) -> Any:
    as_clock(clock)
    return clock


def _durations(durations: Any) -> Durations:
    if durations is not None and not isinstance(durations, Durations):
        raise TypeError(f"durations={durations!r}: expected Durations(…)")
    return durations or Durations()


def _scenario(scenario: Any) -> Scenario | None:
    if scenario is not None and not isinstance(scenario, Scenario):
        raise TypeError(f"scenario={scenario!r}: expected Scenario(…)")
    return scenario


def _require_one_source(options: Mapping[str, Any]) -> None:
    """Raise ValueError when a scenario and an option of the same name say two things."""
    for name, what in (("durations", "how long statuses last"), ("assumptions", "what the mock assumes")):
        option, own = options[name], getattr(options["scenario"], name, options[name])
        if option != own and type(option)() not in (option, own):
            raise ValueError(f"{name}={option!r} and {options['scenario']!r} both say {what}; pass one of them")


def _assumptions(assumptions: Any) -> Assumptions:
    if assumptions is not None and not isinstance(assumptions, Assumptions):
        raise TypeError(f"assumptions={assumptions!r}: expected Assumptions(…)")
    return assumptions or Assumptions()


def _account_id(account_id: Any) -> str:
    if not isinstance(account_id, str) or not re.fullmatch("[0-9]{12}", account_id):
        raise ValueError(f"account_id={account_id!r}: expected a string of 12 digits")
    return account_id


def _region_name(region_name: Any) -> str | None:
    if region_name is not None and not (isinstance(region_name, str) and re.fullmatch(_REGION, region_name)):
        raise ValueError(f"region_name={region_name!r}: expected the name of a region, e.g. 'eu-west-1'")
    return region_name


def _flag(option: str) -> Callable[[Any], bool]:
    """Return the check of an option that is True or False. A text such as "no" would count as True."""

    def check(value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError(f"{option}={value!r}: expected True or False")
        return value

    return check


def _quotas(quotas: Any) -> dict[str, int]:
    expected = "expected instance counts by type, e.g. {'ml.m5.xlarge': 2}"
    if not isinstance(quotas, Mapping) or not all(map(_is_count, quotas.values())):
        raise TypeError(f"quotas={quotas!r}: {expected}")
    for instance_type in quotas:
        if not _is_instance_type(instance_type):
            from mock_sagemaker_ie.protocol.errors import suggestion  # noqa: PLC0415 - needed for errors only

            near = suggestion(str(instance_type), _instance_types()) if isinstance(instance_type, str) else ""
            near = near if "did you mean" in near else f": {expected}"
            raise ValueError(f"quotas={quotas!r}: {instance_type!r} is not an instance type of an endpoint{near}")
    return dict(quotas)


def _is_count(limit: Any) -> bool:
    return isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0


def _is_instance_type(name: Any) -> bool:
    """Return whether botocore lists an instance type, or it is of a newer family with a size that botocore lists."""
    if not isinstance(name, str):
        return False
    sizes = {known.rpartition(".")[2] for known in _instance_types()}
    form = re.fullmatch(r"ml\.[a-z][a-z0-9-]*\.([a-z0-9-]+)", name)
    return name in _instance_types() or (form is not None and form[1] in sizes)


def _instance_types() -> Collection[str]:
    return service_model("sagemaker").shape_for("ProductionVariantInstanceType").enum  # type: ignore[no-any-return]


def _s3(s3: Any) -> Any:
    if isinstance(s3, str):
        raise TypeError(f"s3={s3!r}: expected a boto3 S3 client, or a folder as pathlib.Path({s3!r}); {Page.CLOUDS}")
    return s3 if isinstance(s3, Path) else _client("s3", s3, "put_object")


def _cloudwatch(cloudwatch: Any) -> Any:
    return _client("cloudwatch", cloudwatch, "put_metric_data")


def _events(events: Any) -> Any:
    if callable(events) and not hasattr(events, "put_events"):
        if inspect.iscoroutinefunction(events):
            raise TypeError(f"events={events!r}: expected a plain function, not a coroutine function")
        return events
    return _client("events", events, "put_events")


def _client(option: str, client: Any, method: str) -> Any:
    if client is not None and (not hasattr(client, method) or _is_asynchronous(client, method)):
        raise TypeError(f"{option}={client!r}: expected a boto3 client with {method}(); {Page.CLOUDS}")
    return client


def _is_asynchronous(client: Any, method: str) -> bool:
    """Return whether the calls of a client must be awaited.

    A method of an aiobotocore client is a plain function of botocore's; only the method that it calls is a coroutine
    function.
    """
    functions = (getattr(client, name, None) for name in (method, "_make_api_call"))
    return any(inspect.iscoroutinefunction(function) for function in functions)


def _keep(keep: Any) -> int | None:
    if keep is not None and (not isinstance(keep, int) or isinstance(keep, bool) or not 0 <= keep <= sys.maxsize):
        raise TypeError(f"keep={keep!r}: expected the number of calls and captures to keep, or None for all")
    return keep


def _one_of(option: str, choices: Collection[str]) -> Callable[[Any], Any]:
    """Return the check of an option with a few possible values."""

    def check(value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"{option}={value!r}: expected one of {', '.join(choices)}")
        return value

    return check


def _passthrough(names: Any) -> frozenset[str]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(
            f"passthrough={names!r}: expected a collection of names, e.g. ['ListModels']; {Page.INTERCEPTION}"
        )
    names = frozenset(names)
    if malformed := [name for name in names if not re.fullmatch(_PASSTHROUGH, str(name))]:
        raise ValueError(
            f"passthrough={malformed!r}: expected the names of operations as AWS writes them, e.g. 'ListModels', or of "
            "services as boto3.client takes them, e.g. 'sagemaker-metrics', or both, e.g. 'sagemaker-edge:GetDevices'; "
            f"{Page.INTERCEPTION}"
        )
    return frozenset(map(_passing, sorted(names)))


# An operation of SageMaker or its runtime, any SageMaker service, or an operation of any.
_PASSTHROUGH = r"[A-Z][A-Za-z0-9]*|[a-z][a-z0-9-]*(:[A-Z][A-Za-z0-9]*)?"


def _passing(name: str) -> str:
    """Return the name of an operation or a service that exists, the operations of the mock without their service."""
    service, _, operation = name.rpartition(":") if ":" in name or name[0].isupper() else (name, "", "")
    if service and service not in sagemaker_services():
        _refuse_name(f"passthrough={name!r} is not a SageMaker service", service, sagemaker_services())
    services = (service,) if service else ANSWERED_SERVICES
    if operation:
        known = [each for each_service in services for each in service_model(each_service).operation_names]
        if operation not in known:
            of = service or "SageMaker or its runtime"
            _refuse_name(f"passthrough={name!r} is not an operation of {of}", operation, known)
    return operation if operation and services[0] in ANSWERED_SERVICES else name


def _actions(option: str, known: Sequence[str]) -> Callable[[Any], tuple[str, ...]]:
    """Return the check of an option that lists patterns of IAM actions."""

    def check(value: Any) -> tuple[str, ...]:
        expected = f"expected a list of IAM actions, e.g. [{known[-1]!r}]"
        if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
            raise TypeError(f"{option}={value!r}: {expected}")
        patterns = tuple(value)
        for pattern in patterns:
            if not isinstance(pattern, str):
                raise TypeError(f"{option}={value!r}: {expected}")
            if not any(is_denied(action, [pattern]) for action in known):
                from mock_sagemaker_ie.protocol.errors import suggestion  # noqa: PLC0415 - needed for errors only

                raise ValueError(f"{option}: {pattern!r} matches no action{suggestion(pattern, known)}")
        return patterns

    return check


def _refuse_name(problem: str, name: str, known: Collection[str]) -> NoReturn:
    import difflib  # noqa: PLC0415 - large, and needed for errors only

    near = difflib.get_close_matches(name, known, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else " that this botocore has"
    raise ValueError(f"{problem}{guess}; {Page.INTERCEPTION}")


# By name of an option: its default and its check.
_OPTIONS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "clock": (None, _clock),
    "durations": (None, _durations),
    "scenario": (None, _scenario),
    "account_id": (DEFAULT_ACCOUNT, _account_id),
    "region_name": (None, _region_name),
    "strict": (False, _flag("strict")),
    "quotas": ({}, _quotas),
    "assumptions": (None, _assumptions),
    "virtual_sleep": (False, _flag("virtual_sleep")),
    "polling_forever": ("error", _one_of("polling_forever", POLLING_FOREVER)),
    "s3": (None, _s3),
    "cloudwatch": (None, _cloudwatch),
    "events": (None, _events),
    "keep": (None, _keep),
    "unused_faults": ("warn", _one_of("unused_faults", UNUSED_FAULTS)),
    "passthrough": ((), _passthrough),
    "denied": ((), _actions("denied", ACTIONS)),
    "role_denied": ((), _actions("role_denied", ROLE_ACTIONS)),
    "wire": (False, _flag("wire")),
}
