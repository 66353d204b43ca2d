"""What steers a served mock over HTTP, and shows it: everything below /_mock/, and the page at the root."""

from __future__ import annotations

import json
from contextlib import nullcontext
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from mock_sagemaker_ie.mock import InferenceExperimentMock
    from mock_sagemaker_ie.server.journal import Journal
    from mock_sagemaker_ie.service.service import Call
    from mock_sagemaker_ie.timeline import Timeline

MOST_CALLS = 200  # that the page is told of at once


class Control:
    """What steers the mock over HTTP. Every path is a row of _ROUTES; answers are JSON."""

    def __init__(self, mock: InferenceExperimentMock, journal: Journal | None) -> None:
        self._mock = mock
        self._journal = journal

    def __call__(self, request: Request) -> Response | None:
        """The answer to a request, None when it is not one of these."""
        route = _ROUTES.get(request.path)
        if route is None:
            return (
                _refused(404, f"{request.path} is unknown; known: {', '.join(_ROUTES)}") if _reserved(request) else None
            )
        method, answer = route
        if request.method != method and not (method == "GET" and request.method == "HEAD"):
            return _refused(405, f"{request.path} takes {method}")
        try:
            return answer(self, _arguments(request))
        except LookupError as error:
            return _refused(404, str(error))
        except (OverflowError, RecursionError, TypeError, ValueError) as error:
            return _refused(400, str(error))

    # --- looking

    def page(self, _arguments: dict[str, Any]) -> Response:
        """The page."""
        page = files("mock_sagemaker_ie.server").joinpath("page.html").read_bytes()
        return Response(page, content_type="text/html; charset=utf-8")

    def state(self, _arguments: dict[str, Any]) -> Response:
        """Everything the page shows."""
        calls = self._mock.calls
        return _json(
            {
                "now": self._mock.now().isoformat(),
                "experiments": [_experiment(*seen) for seen in self._seen()],
                "calls": [_call(call) for call in calls[-MOST_CALLS:]],
                "call_count": len(calls),
            }
        )

    def calls(self, _arguments: dict[str, Any]) -> Response:
        """Every call."""
        return _json([_call(call) for call in self._mock.calls])

    def experiments(self, _arguments: dict[str, Any]) -> Response:
        """What Describe says of every experiment."""
        worlds = self._mock.worlds()
        return _json([it for account, region in worlds for it in self._mock.experiments_in(region, account).values()])

    def timelines(self, _arguments: dict[str, Any]) -> Response:
        """The timeline of every experiment."""
        return _json([_timeline(region, account, timeline) for region, account, _, timeline in self._seen()])

    def picture(self, arguments: dict[str, Any]) -> Response:
        """The timeline of one experiment, as a picture."""
        name, place = arguments.pop("name", ""), {key: arguments[key] for key in _SCOPE if key in arguments}
        timeline = self._mock.timeline(name, **_scope(place))
        return Response(timeline.to_svg(), content_type="image/svg+xml")

    # --- steering

    def clock(self, arguments: dict[str, Any]) -> Response:
        """Move the clock: {"advance": seconds}, {"move_to": instant}, or {"until": {"name":, "status":}}."""
        match arguments:
            case {"advance": seconds}:
                self._mock.clock.advance(seconds=seconds)
            case {"move_to": when}:
                self._mock.clock.move_to(when)
            case {"until": {"name": name, "status": status, **scope}}:
                self._mock.advance_until(name, status, **_scope(scope))
            case _:
                raise ValueError("expected advance, move_to, or until with name and status")
        if self._journal is not None:
            self._journal.write_clock()
        return _json({"now": self._mock.now().isoformat()})

    def faults(self, arguments: dict[str, Any]) -> Response:
        """Arrange errors, as fail_next does, or a delay of "seconds", as slow_next does."""
        match arguments:
            case {"operation": operation, "seconds": seconds, **options}:
                self._mock.slow_next(operation, seconds, **_only(options, "times"))
            case {"operation": operation, "error": error, **options}:
                message = options.pop("message", None)
                self._mock.fail_next(operation, error, message, **_only(options, "times", "status"))
            case _:
                raise ValueError("expected operation, and error or seconds")
        return _json({})

    def failures(self, arguments: dict[str, Any]) -> Response:
        """Have an "experiment" or an "endpoint" fail for a "reason"."""
        fail: Callable[..., None]
        match arguments:
            case {"experiment": name, "reason": reason, **scope}:
                kind, fail = "experiment", self._mock.fail_experiment
            case {"endpoint": name, "reason": reason, **scope}:
                kind, fail = "endpoint", self._mock.fail_endpoint
            case _:
                raise ValueError("expected experiment or endpoint, and reason")
        place = _scope(scope)
        with self._pause():
            fail(name, reason, **place)
            if self._journal is not None:
                self._journal.write_failure(kind, name, reason, **place)
        return _json({})

    def reset(self, _arguments: dict[str, Any]) -> Response:
        """Forget everything."""
        with self._pause():
            self._mock.reset()
            if self._journal is not None:
                self._journal.clear()
        return _json({})

    def _pause(self) -> AbstractContextManager[None]:
        """No call comes between a change and what the journal says of it."""
        return nullcontext() if self._journal is None else self._journal.pause()

    # --- what there is

    def _seen(self) -> Iterator[tuple[str, str, Mapping[str, Any], Timeline]]:
        """Every experiment: its region and account, what Describe says of it, and its timeline."""
        for account, region in self._mock.worlds():
            timelines = self._mock.timelines_in(region, account)
            for name, described in self._mock.experiments_in(region, account).items():
                if name in timelines:  # It has not come just now.
                    yield region, account, described, timelines[name]


def _experiment(region: str, account: str, described: Mapping[str, Any], timeline: Timeline) -> dict[str, Any]:
    """What the page shows of an experiment at a glance."""
    # What takes no time has passed before anyone can look.
    upcoming = next((segment for segment in timeline.future if segment.begin != segment.end), None)
    return {
        "name": described["Name"],
        "region": region,
        "account": account,
        "status": described["Status"],
        "reason": described.get("StatusReason"),
        "endpoint": described["EndpointMetadata"],
        "variants": [
            {"name": variant["VariantName"], "model": variant["ModelName"], "status": variant["Status"]}
            for variant in described["ModelVariants"]
        ],
        "percentage": described["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"],
        "next": upcoming and {"status": upcoming.status, "at": upcoming.begin.isoformat()},
        "modified": described["LastModifiedTime"].isoformat(),
    }


def _timeline(region: str, account: str, timeline: Timeline) -> dict[str, Any]:
    segments = [
        {
            "status": segment.status,
            "begin": segment.begin.isoformat(),
            "end": segment.end and segment.end.isoformat(),
            "trigger": segment.trigger,
            "variants": dict(segment.variants),
        }
        for segment in timeline.segments
    ]
    return {"name": timeline.name, "region": region, "account": account, "segments": segments}


_ROUTES: dict[str, tuple[str, Callable[[Control, dict[str, Any]], Response]]] = {
    "/": ("GET", Control.page),
    "/_mock/state": ("GET", Control.state),
    "/_mock/calls": ("GET", Control.calls),
    "/_mock/experiments": ("GET", Control.experiments),
    "/_mock/timelines": ("GET", Control.timelines),
    "/_mock/timeline.svg": ("GET", Control.picture),
    "/_mock/clock": ("POST", Control.clock),
    "/_mock/faults": ("POST", Control.faults),
    "/_mock/failures": ("POST", Control.failures),
    "/_mock/reset": ("POST", Control.reset),
}


_SCOPE = {"region": "region_name", "account": "account_id"}


def _scope(arguments: dict[Any, Any]) -> dict[str, Any]:
    """The region and account that are given, as the mock's methods take them."""
    return {_SCOPE[name]: value for name, value in _only(arguments, *_SCOPE).items()}


def _only(arguments: dict[Any, Any], *known: str) -> dict[str, Any]:
    """The arguments. Raises ValueError for one that is not known."""
    if unknown := sorted(arguments.keys() - set(known)):
        raise ValueError(f"{unknown[0]} is unknown; known: {', '.join(known)}")
    return arguments


def _reserved(request: Request) -> bool:
    return request.path.startswith("/_mock/")


def _arguments(request: Request) -> dict[str, Any]:
    if request.method != "POST":
        return dict(request.args)
    # A page of another origin cannot send this type without being asked, so it cannot steer.
    if request.mimetype != "application/json":
        raise ValueError(f"Content-Type {request.mimetype!r}: expected application/json")
    arguments = json.loads(request.get_data() or b"{}")
    if not isinstance(arguments, dict):
        raise TypeError("expected a JSON object")
    return arguments


def _call(call: Call) -> dict[str, Any]:
    error = call.error
    return {
        "operation": call.operation,
        "at": call.at.isoformat(),
        "region": call.region,
        "account": call.account_id,
        "params": call.params,
        "error": error
        and {
            "code": getattr(error, "code", type(error).__name__),
            "message": getattr(error, "message", str(error)),
        },
    }


def _json(values: Any, status: int = 200) -> Response:
    return Response(json.dumps(values, default=_plain), status, content_type="application/json")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.isoformat() if hasattr(value, "isoformat") else dict(value)


def _refused(status: int, message: str) -> Response:
    return _json({"error": message}, status)
