"""What steers a served mock over HTTP, and shows it: everything below /_mock/, and the page at the root."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from mock_sagemaker_ie.steering import DEFAULT_REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    from mock_sagemaker_ie.journal import Journal
    from mock_sagemaker_ie.service import Call
    from mock_sagemaker_ie.steering import InferenceExperimentMock

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
        except (LookupError, TypeError, ValueError) as error:
            return _refused(400, str(error))

    # --- looking

    def page(self, _arguments: dict[str, Any]) -> Response:
        """The page."""
        page = files("mock_sagemaker_ie").joinpath("page.html").read_bytes()
        return Response(page, content_type="text/html; charset=utf-8")

    def state(self, _arguments: dict[str, Any]) -> Response:
        """Everything the page shows."""
        calls = self._mock.calls
        return _json(
            {
                "now": self._mock.now().isoformat(),
                "experiments": [self._experiment(*place) for place in self._places()],
                "calls": [_call(call) for call in calls[-MOST_CALLS:]],
                "call_count": len(calls),
            }
        )

    def calls(self, _arguments: dict[str, Any]) -> Response:
        """Every call."""
        return _json([_call(call) for call in self._mock.calls])

    def experiments(self, _arguments: dict[str, Any]) -> Response:
        """What Describe says of every experiment."""
        places = self._places()
        return _json([self._mock.experiments_in(region, account)[name] for name, region, account in places])

    def timelines(self, _arguments: dict[str, Any]) -> Response:
        """The timeline of every experiment."""
        return _json([self._timeline(*place) for place in self._places()])

    def picture(self, arguments: dict[str, Any]) -> Response:
        """The timeline of one experiment, as a picture."""
        timeline = self._mock.timeline(
            arguments.get("name", ""),
            region_name=arguments.get("region", DEFAULT_REGION),
            account_id=arguments.get("account"),
        )
        return Response(timeline.to_svg(), content_type="image/svg+xml")

    # --- steering

    def clock(self, arguments: dict[str, Any]) -> Response:
        """Move the clock: {"advance": seconds}, {"move_to": instant}, or {"until": {"name":, "status":}}."""
        if "until" in arguments:
            self._mock.advance_until(**arguments["until"])
        elif "move_to" in arguments:
            self._mock.clock.move_to(arguments["move_to"])
        else:
            self._mock.clock.advance(seconds=arguments["advance"])
        if self._journal is not None:
            self._journal.write_clock()
        return _json({"now": self._mock.now().isoformat()})

    def faults(self, arguments: dict[str, Any]) -> Response:
        """Arrange errors, as fail_next does, or a delay of "seconds", as slow_next does."""
        if "seconds" in arguments:
            self._mock.slow_next(**arguments)
        else:
            self._mock.fail_next(**arguments)
        return _json({})

    def failures(self, arguments: dict[str, Any]) -> Response:
        """Have an "experiment" or an "endpoint" fail for a "reason"."""
        scope = {"region": arguments.get("region", DEFAULT_REGION), "account": arguments.get("account")}
        kind = "endpoint" if "endpoint" in arguments else "experiment"
        name, reason = arguments[kind], arguments["reason"]
        fail = self._mock.fail_endpoint if kind == "endpoint" else self._mock.fail_experiment
        when = self._mock.now().isoformat()
        fail(name, reason, region_name=scope["region"], account_id=scope["account"])
        if self._journal is not None:
            self._journal.write_failure(kind, {"name": name, "reason": reason, "when": when, **scope})
        return _json({})

    def reset(self, _arguments: dict[str, Any]) -> Response:
        """Forget everything."""
        self._mock.reset()
        if self._journal is not None:
            self._journal.clear()
        return _json({})

    # --- what there is

    def _places(self) -> list[tuple[str, str, str]]:
        """The name, region and account of every experiment."""
        return [
            (name, region, account)
            for account, region in self._mock.worlds()
            for name in self._mock.experiments_in(region, account)
        ]

    def _experiment(self, name: str, region: str, account: str) -> dict[str, Any]:
        described = self._mock.experiments_in(region, account)[name]
        timeline = self._mock.timeline(name, region_name=region, account_id=account)
        upcoming = timeline.future[0] if timeline.future else None
        return {
            "name": name,
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

    def _timeline(self, name: str, region: str, account: str) -> dict[str, Any]:
        timeline = self._mock.timeline(name, region_name=region, account_id=account)
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
        return {"name": name, "region": region, "account": account, "segments": segments}


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
        "error": error and {"code": getattr(error, "code", type(error).__name__), "message": str(error)},
    }


def _json(values: Any, status: int = 200) -> Response:
    return Response(json.dumps(values, default=_plain), status, content_type="application/json")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.isoformat() if hasattr(value, "isoformat") else dict(value)


def _refused(status: int, message: str) -> Response:
    return _json({"error": message}, status)
