"""The control API under /_mock/, with which HTTP clients inspect and steer a mock, and the web page at /."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mock_sagemaker_ie.calls import Call
    from mock_sagemaker_ie.mock import InferenceExperimentMock
    from mock_sagemaker_ie.timeline import Timeline

MAX_CALLS = 200  # The page gets at most so many calls at once.


class Control:
    """A function from a request to a response. The paths are the keys of _ROUTES; most responses are JSON."""

    def __init__(self, mock: InferenceExperimentMock) -> None:
        self._mock = mock

    def __call__(self, request: Request) -> Response | None:
        """Return the response to a request; None for a path that belongs to the AWS API."""
        route = _ROUTES.get(request.path)
        if route is None:
            if not request.path.startswith("/_mock/"):
                return None
            return _error(404, f"{request.path} is unknown; known: {', '.join(_ROUTES)}")
        method, answer = route
        if request.method != method and not (method == "GET" and request.method == "HEAD"):
            return _error(405, f"the method for {request.path} is {method}")
        try:
            return answer(self, _arguments(request))
        except LookupError as error:
            return _error(404, str(error))
        except (OverflowError, RecursionError, TypeError, ValueError) as error:
            return _error(400, str(error))

    # --- inspect

    def page(self, _arguments: dict[str, Any]) -> Response:
        """Return the web page."""
        page = files("mock_sagemaker_ie.server").joinpath("page.html").read_bytes()
        return Response(page, content_type="text/html; charset=utf-8")

    def state(self, _arguments: dict[str, Any]) -> Response:
        """Return the data that the page shows."""
        calls = self._mock.calls
        return _json(
            {
                "now": self._mock.now().isoformat(),
                "experiments": [_experiment(*each) for each in self._experiments()],
                "calls": [_call(call) for call in calls[-MAX_CALLS:]],
                "call_count": len(calls),
            }
        )

    def calls(self, _arguments: dict[str, Any]) -> Response:
        """Return all calls."""
        return _json([_call(call) for call in self._mock.calls])

    def experiments(self, _arguments: dict[str, Any]) -> Response:
        """Return what DescribeInferenceExperiment returns for each experiment."""
        scopes = self._mock.scopes()
        return _json([it for account, region in scopes for it in self._mock.experiments_in(region, account).values()])

    def timelines(self, _arguments: dict[str, Any]) -> Response:
        """Return the timeline of each experiment."""
        return _json([_timeline(region, account, timeline) for region, account, _, timeline in self._experiments()])

    def timeline_svg(self, arguments: dict[str, Any]) -> Response:
        """Return the timeline of one experiment as an SVG image: ?name=, and optional region= and account=."""
        scope = {key: arguments[key] for key in _SCOPE if key in arguments}
        timeline = self._mock.timeline(arguments.get("name", ""), **_scope(scope))
        return Response(timeline.to_svg(), content_type="image/svg+xml")

    # --- steer

    def clock(self, arguments: dict[str, Any]) -> Response:
        """Move the clock: {"advance": seconds}, {"move_to": instant} or {"until": {"name":, "status":}}."""
        match arguments:
            case {"advance": seconds}:
                self._mock.clock.advance(seconds=seconds)
            case {"move_to": when}:
                self._mock.clock.move_to(when)
            case {"until": {"name": name, "status": status, **scope}}:
                self._mock.advance_until(name, status, **_scope(scope))
            case _:
                raise ValueError('expected "advance", "move_to", or "until" with "name" and "status"')
        return _json({"now": self._mock.now().isoformat()})

    def faults(self, arguments: dict[str, Any]) -> Response:
        """Arrange errors like fail_next, or delays of "seconds" like slow_next, for calls of an "operation"."""
        match arguments:
            case {"operation": operation, "seconds": seconds, **options}:
                self._mock.slow_next(operation, seconds, **_only(options, "times"))
            case {"operation": operation, "error": error, **options}:
                message = options.pop("message", None)
                self._mock.fail_next(operation, error, message, **_only(options, "times", "status"))
            case _:
                raise ValueError('expected "operation", and "error" or "seconds"')
        return _json({})

    def failures(self, arguments: dict[str, Any]) -> Response:
        """Make an "experiment" or an "endpoint" fail for a "reason", like fail_experiment and fail_endpoint."""
        fail: Callable[..., None]
        match arguments:
            case {"experiment": name, "reason": reason, **scope}:
                fail = self._mock.fail_experiment
            case {"endpoint": name, "reason": reason, **scope}:
                fail = self._mock.fail_endpoint
            case _:
                raise ValueError('expected "experiment" or "endpoint", and "reason"')
        fail(name, reason, **_scope(scope))
        return _json({})

    def reset(self, _arguments: dict[str, Any]) -> Response:
        """Delete all state except the models' handlers. The clock does not change."""
        self._mock.reset()
        return _json({})

    def _experiments(self) -> Iterator[tuple[str, str, Mapping[str, Any], Timeline]]:
        """Yield region, account, description and timeline of each experiment."""
        for account, region in self._mock.scopes():
            timelines = self._mock.timelines_in(region, account)
            for name, described in self._mock.experiments_in(region, account).items():
                if name in timelines:  # A call may have created the experiment since the line above.
                    yield region, account, described, timelines[name]


def _experiment(region: str, account: str, described: Mapping[str, Any], timeline: Timeline) -> dict[str, Any]:
    """Return the data of one experiment that the page shows."""
    # A status without a duration is never visible.
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
    "/_mock/timeline.svg": ("GET", Control.timeline_svg),
    "/_mock/clock": ("POST", Control.clock),
    "/_mock/faults": ("POST", Control.faults),
    "/_mock/failures": ("POST", Control.failures),
    "/_mock/reset": ("POST", Control.reset),
}


_SCOPE = {"region": "region_name", "account": "account_id"}


def _scope(arguments: dict[Any, Any]) -> dict[str, Any]:
    """Return the given region and account as keyword arguments of the mock's methods."""
    return {_SCOPE[name]: value for name, value in _only(arguments, *_SCOPE).items()}


def _only(arguments: dict[Any, Any], *known: str) -> dict[str, Any]:
    """Return the arguments. Raises ValueError for an unknown one."""
    if unknown := sorted(arguments.keys() - set(known)):
        raise ValueError(f"{unknown[0]} is unknown; known: {', '.join(known)}")
    return arguments


def _arguments(request: Request) -> dict[str, Any]:
    if request.method != "POST":
        return dict(request.args)
    # A browser sends this type for pages of other origins only after a CORS preflight, which this server refuses.
    if request.mimetype != "application/json":
        raise ValueError(
            f"Content-Type {request.mimetype!r}: expected application/json; send the header "
            "'Content-Type: application/json', for example with curl -H 'Content-Type: application/json'"
        )
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


def _error(status: int, message: str) -> Response:
    return _json({"error": message}, status)
