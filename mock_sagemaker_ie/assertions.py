"""Assertions for the end of any test of a rollout: what it has left behind, and whether it has disturbed production.

Each looks at every account and region, and raises AssertionError with a line for each problem: what, where, since when,
and the way out.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mock_sagemaker_ie.backend.hosting.endpoints import EndpointStatus
from mock_sagemaker_ie.calls import INVOCATIONS
from mock_sagemaker_ie.protocol.errors import error_code, error_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterable, Iterator

    from mock_sagemaker_ie.backend.backend import SageMakerBackend
    from mock_sagemaker_ie.backend.hosting.endpoints import Endpoint
    from mock_sagemaker_ie.backend.hosting.resources import Resource
    from mock_sagemaker_ie.calls import Call
    from mock_sagemaker_ie.mock import InferenceExperimentMock

MAX_MESSAGE_LENGTH = 200

# By operation: the member of its request with the name of what it creates.
_CREATES = {"CreateEndpoint": "EndpointName", "CreateEndpointConfig": "EndpointConfigName"}
# What a call has created: its operation, account, region and name.
Made = tuple[str, str, str, str]

_WAYS_OUT = {
    "ModelError": "the model must answer: change what its handler in mock.serve() returns",
    "ValidationError": "send requests only to a variant of an endpoint that is in service",
}
_OTHER_WAY_OUT = "send requests that the endpoint can answer"


def assert_nothing_left(mock: InferenceExperimentMock, *, may_stay: Collection[str] = ()) -> None:
    """Raise AssertionError when something is left that nobody is going to remove.

    That is an experiment that is not Completed or Cancelled; a shadow variant without such an experiment, unless a
    deployment that is under way removes it; an endpoint that a call in `mock.calls` has created; and an endpoint
    configuration that such a call has created, unless an endpoint that may stay uses it. An endpoint that an experiment
    has created is production, and may stay.

    `may_stay`: the names of experiments, shadow variants, endpoints and endpoint configurations that may stay too.
    Raises TypeError when it is one str.
    """
    __tracebackhide__ = True
    if isinstance(may_stay, str):
        raise TypeError(f"may_stay={may_stay!r}: expected several names, for example [{may_stay!r}]")
    made = {
        (call.operation, call.account_id, call.region, call.params[_CREATES[call.operation]])
        for call in mock.calls
        if call.operation in _CREATES and call.response is not None
    }
    _report("left behind", _everywhere(mock, partial(_left, made, frozenset(may_stay))))


def assert_production_undisturbed(mock: InferenceExperimentMock) -> None:
    """Raise AssertionError when production did not answer a request, or when an endpoint that served was deleted.

    An endpoint serves during each of its deployments, so without a deletion it can answer at every instant. Errors that
    a test arranged with `fail_next` and `slow_next` do not count: no rollout is their cause.
    """
    __tracebackhide__ = True
    _report("production was disturbed", [*_unanswered(_requests(mock)), *_everywhere(mock, _deleted)])


def assert_traffic_unlost(mock: InferenceExperimentMock) -> None:
    """Raise AssertionError when a request, its copy for the shadow variant, or a capture is lost.

    Production must have answered each request and the shadow each copy, and each capture must be where `s3=` says.
    Errors that a test arranged with `fail_next` and `slow_next` do not count: the caller can send the request again.
    """
    __tracebackhide__ = True
    requests = _requests(mock)
    captures = [
        f"captures for {place} could not be written: a DeliveryWarning said why, and mock.captures has them"
        for place in mock._service.runtime.undelivered()  # noqa: SLF001 - of the same package
    ]
    _report("traffic was lost", [*_unanswered(requests), *_uncopied(requests), *captures])


def _requests(mock: InferenceExperimentMock) -> list[Call]:
    """Return the requests to endpoints."""
    return [call for call in mock.calls if call.operation in INVOCATIONS]


def _report(what: str, problems: Collection[str]) -> None:
    __tracebackhide__ = True
    if problems:
        raise AssertionError("\n".join([f"{what}:", *(f"- {problem}" for problem in problems)]))


def _everywhere(mock: InferenceExperimentMock, find: Callable[[SageMakerBackend], Iterable[str]]) -> list[str]:
    """Return what is found in every account and region, now or at the moment at which the mock was left."""
    service = mock._service  # noqa: SLF001 - of the same package

    def find_in(scope: tuple[str, str]) -> list[str]:
        account, region = scope
        return service.look(lambda backend, _: [*find(backend)], region, account)

    return service.as_left(lambda: [each for scope in service.scopes() for each in find_in(scope)])


def _place(account: str, region: str) -> str:
    return f"in {region} of account {account}"


def _instant(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


# --- what is left


def _left(made: Collection[Made], may_stay: Collection[str], backend: SageMakerBackend) -> Iterator[str]:
    yield from _unfinished(may_stay, backend)
    yield from _shadows(may_stay, backend)
    yield from _made_endpoints(made, may_stay, backend)
    yield from _made_configs(made, may_stay, backend)


def _unfinished(may_stay: Collection[str], backend: SageMakerBackend) -> Iterator[str]:
    for experiment in backend.experiments.store.records.values():
        if not experiment.finished and experiment.name not in may_stay:
            yield (
                f"inference experiment {experiment.name!r} {_place(*backend.scope)} is {experiment.status} since "
                f"{_instant(experiment.life.since)}: call StopInferenceExperiment unless it is Stopping, and wait "
                "until it is Completed or Cancelled"
            )


def _shadows(may_stay: Collection[str], backend: SageMakerBackend) -> Iterator[str]:
    for endpoint in _endpoints(backend):
        if backend.experiments.user_of(endpoint.name) is not None:
            continue  # Its experiment is unfinished.
        deployment = endpoint.serving if endpoint.pending is None else endpoint.pending
        for variant in (deployment or {}).get("ShadowProductionVariants", ()):
            if variant["VariantName"] not in may_stay:
                yield (
                    f"shadow variant {variant['VariantName']!r} of endpoint {endpoint.name!r} {_place(*backend.scope)} "
                    f"is deployed, and the endpoint is {endpoint.status} since {_instant(endpoint.modified)}: pass "
                    "Remove or Promote for it in the ModelVariantActions of StopInferenceExperiment, or update the "
                    "endpoint to an endpoint configuration without it"
                )


def _made_endpoints(made: Collection[Made], may_stay: Collection[str], backend: SageMakerBackend) -> Iterator[str]:
    for endpoint in _endpoints(backend):
        if _must_go(endpoint, "CreateEndpoint", made, may_stay, backend):
            yield (
                f"endpoint {endpoint.name!r} {_place(*backend.scope)} was created at {_instant(endpoint.created)}, and "
                f"is {endpoint.status} since {_instant(endpoint.modified)}: call DeleteEndpoint"
            )


def _made_configs(made: Collection[Made], may_stay: Collection[str], backend: SageMakerBackend) -> Iterator[str]:
    used = {
        deployment["EndpointConfigName"]
        for endpoint in _endpoints(backend)
        if not _must_go(endpoint, "CreateEndpoint", made, may_stay, backend)
        for deployment in (endpoint.serving, endpoint.pending)
        if deployment is not None
    }
    for config in backend.hosting.configs.records.values():
        if _must_go(config, "CreateEndpointConfig", made, may_stay, backend) and config.name not in used:
            yield (
                f"endpoint configuration {config.name!r} {_place(*backend.scope)} was created at "
                f"{_instant(config.created)}, and no endpoint that may stay uses it: call DeleteEndpointConfig"
            )


def _endpoints(backend: SageMakerBackend) -> list[Endpoint]:
    """Return the endpoints that stay if nobody calls an operation."""
    return [each for each in backend.hosting.endpoints.records.values() if each.status is not EndpointStatus.DELETING]


def _must_go(
    record: Endpoint | Resource,
    operation: str,
    made: Collection[Made],
    may_stay: Collection[str],
    backend: SageMakerBackend,
) -> bool:
    """Return whether a call has created a record that may not stay."""
    return record.name not in may_stay and (operation, *backend.scope, record.name) in made


# --- production and its shadow


def _deleted(backend: SageMakerBackend) -> Iterator[str]:
    for name, at in backend.hosting.deleted.items():
        present = backend.hosting.find(name)
        again = present is not None and present.created > at
        until = f" until it was created again at {_instant(present.created)}" if present is not None and again else ""
        yield (
            f"endpoint {name!r} {_place(*backend.scope)} was deleted and has not answered since {_instant(at)}{until}: "
            "leave the endpoint in service, also after its experiment"
        )


def _unanswered(calls: Iterable[Call]) -> Iterator[str]:
    """Yield a line for the requests to each endpoint that production answered with the same error."""
    failed = [(call, call.error) for call in calls if call.error is not None and not call.arranged]
    return _lines("requests to", failed)


def _uncopied(calls: Iterable[Call]) -> Iterator[str]:
    """Yield a line for the copies to each endpoint that its shadow variant answered with the same error."""
    failed = [(call, call.shadow_error) for call in calls if call.shadow_error is not None]
    return _lines("copies for the shadow variant of", failed)


def _lines(what: str, failed: Iterable[tuple[Call, Exception]]) -> Iterator[str]:
    groups: dict[tuple[str, ...], list[tuple[Call, Exception]]] = {}
    for call, error in failed:
        endpoint = str(call.params.get("EndpointName", ""))
        groups.setdefault((endpoint, call.account_id, call.region, error_code(error)), []).append((call, error))
    for (endpoint, account, region, code), group in groups.items():
        (first, error), (last, _) = group[0], group[-1]
        when = f"at {_instant(first.at)}" if len(group) == 1 else f"from {_instant(first.at)} to {_instant(last.at)}"
        way_out = _WAYS_OUT.get(code, _OTHER_WAY_OUT) if error.__cause__ is None else "see the __cause__ of its error"
        message = getattr(error, "members", {}).get("OriginalMessage") or getattr(error, "message", error_text(error))
        yield (
            f"{what} endpoint {endpoint!r} {_place(account, region)} without an answer: {len(group)}, {when}, with "
            f"{code} ({message:.{MAX_MESSAGE_LENGTH}}): {way_out}"
        )
