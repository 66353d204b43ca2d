"""The control API under /_mock/, with which HTTP clients inspect and steer a mock, and the web page at /."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import lru_cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ConnectionClosedError
from werkzeug.wrappers import Request, Response

from mock_sagemaker_ie.activation.options import complete
from mock_sagemaker_ie.server.canned_answers import serve_canned
from mock_sagemaker_ie.server.documents import plain, timeline_document, whole_call
from mock_sagemaker_ie.server.state import State
from mock_sagemaker_ie.server.traffic import CAPTURES, EVENTS, METRICS, MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mock_sagemaker_ie.mock import InferenceExperimentMock
    from mock_sagemaker_ie.server.traffic import Listing
    from mock_sagemaker_ie.service.service import Service


class Control:
    """A function from a request to a response. The paths are the keys of _ROUTES; most responses are JSON."""

    def __init__(self, mock: InferenceExperimentMock, service: Service) -> None:
        self._mock = mock
        self._service = service
        self._state = State(service)

    def __call__(self, request: Request) -> Response | None:
        """Return the response to a request; None for a path that belongs to the AWS API."""
        routes = _ROUTES.get(request.path)
        if routes is None:
            if not request.path.startswith("/_mock/"):
                return None
            return _error(404, f"{request.path} is unknown; known: {', '.join(_ROUTES)}")
        answer = routes.get("GET" if request.method == "HEAD" else request.method)
        if answer is None:
            return _error(405, f"the method for {request.path} is {' or '.join(routes)}")
        try:
            return answer(self, _arguments(request))
        except LookupError as error:
            return _error(404, str(error))
        except (OverflowError, RecursionError, TypeError, ValueError) as error:
            return _error(400, str(error))

    # --- inspect

    def page(self, _arguments: dict[str, Any]) -> Response:
        """Return the web page."""
        page, policy = _page()
        return Response(page, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy})

    def state(self, arguments: dict[str, Any]) -> Response:
        """Return what the page shows, or what of it changed: ?since=, ?offset= and ?filter=, as State.changes says."""
        numbers = {name: _number(name, arguments.pop(name)) for name in ("since", "offset") if name in arguments}
        return _json(self._state.changes(**numbers, filter=arguments.get("filter", "")))

    def calls(self, arguments: dict[str, Any]) -> Response:
        """Return all calls; with ?version=, only the call with this version in the state."""
        if "version" in arguments:
            return _json_list([self._state.call(_number("version", arguments["version"]))])
        return _json_list(map(whole_call, self._mock.calls))

    def experiments(self, _arguments: dict[str, Any]) -> Response:
        """Return what DescribeInferenceExperiment returns for each experiment."""
        snapshots = self._state.snapshots().values()
        return _json_list(each.describe(experiment.name) for each in snapshots for experiment in each.experiments)

    def timelines(self, _arguments: dict[str, Any]) -> Response:
        """Return the timeline of each experiment."""
        return _json_list(
            timeline_document(account, region, snapshot.timeline(experiment.name))
            for (account, region), snapshot in self._state.snapshots().items()
            for experiment in snapshot.experiments
        )

    def timeline_svg(self, arguments: dict[str, Any]) -> Response:
        """Return the timeline of one experiment as an SVG image: ?name=; optional region=, account=, and narrow=1."""
        scope = {key: arguments[key] for key in _SCOPE if key in arguments}
        timeline = self._mock.timeline(arguments.get("name", ""), **_scope(scope))
        return Response(timeline.to_svg(narrow=arguments.get("narrow") == "1"), content_type="image/svg+xml")

    def listed(self, arguments: dict[str, Any], *, listing: Listing) -> Response:
        """Return the newest items of a listing: ?offset=, and its filters."""
        offset = _number("offset", arguments.pop("offset", "0"))
        return _json(listing.answer(self._service, _only(arguments, *listing.filters), offset))

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
        """Arrange errors like fail_next, or delays of "seconds" like slow_next, for calls of an "operation".

        The "error" ConnectionClosedError closes the connection without an answer.
        """
        match arguments:
            case {"operation": operation, "seconds": seconds, **options}:
                self._mock.slow_next(operation, seconds, **_only(options, "times"))
            case {"operation": operation, "error": error, **options}:
                message = options.pop("message", None)
                kind = ConnectionClosedError if error == ConnectionClosedError.__name__ else error
                self._mock.fail_next(operation, kind, message, **_only(options, "times", "status", "after"))
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

    def models(self, arguments: dict[str, Any]) -> Response:
        """Let a "model" give the same answer to each request: the other arguments, as serve_canned takes them."""
        if "model" not in arguments:
            raise ValueError('expected "model", and "body" or "chunks"')
        serve_canned(self._service, arguments.pop("model"), arguments)
        return _json({})

    def alarms(self, arguments: dict[str, Any]) -> Response:
        """Set the "state" of the alarm with this "name", like mock.alarm."""
        match arguments:
            case {"name": str(name), "state": state, **scope}:
                self._mock.alarm(name, state=state, **_scope(scope))
            case _:
                raise ValueError('expected "name", a string, and "state"')
        return _json({})

    def scale(self, arguments: dict[str, Any]) -> Response:
        """Change the number of instances of a "variant" of an "endpoint" to "count", like mock.scale."""
        match arguments:
            case {"endpoint": str(endpoint), "variant": str(variant), "count": count, **scope}:
                self._mock.scale(endpoint, variant, count, **_scope(scope))
            case _:
                raise ValueError('expected "endpoint" and "variant", both strings, and "count"')
        return _json({})

    def reset(self, _arguments: dict[str, Any]) -> Response:
        """Delete all state except the models' handlers. The clock does not change."""
        self._mock.reset()
        return _json({})


@lru_cache(maxsize=1)
def _page() -> tuple[bytes, str]:
    """Return the web page, and the policy that lets a browser run its own script and styles only."""
    page, *policy = _file("page.html"), "default-src 'none'"
    for tag, name in (("style", "page.css"), ("script", "page.js")):
        begin, end, text = f"<{tag}>".encode(), f"</{tag}>".encode(), _file(name)
        page = page.replace(begin + end, begin + text + end)
        policy.append(f"{tag}-src 'sha256-{b64encode(sha256(text).digest()).decode()}'")
    return page, "; ".join([*policy, _PAGE_POLICY])


def _file(name: str) -> bytes:
    return files("mock_sagemaker_ie.server").joinpath(name).read_bytes()


_PAGE_POLICY = "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


# By path and method. A HEAD request gets the headers of the answer to GET.
_ROUTES: dict[str, dict[str, Callable[[Control, dict[str, Any]], Response]]] = {
    "/": {"GET": Control.page},
    "/_mock/state": {"GET": Control.state},
    "/_mock/calls": {"GET": Control.calls},
    "/_mock/experiments": {"GET": Control.experiments},
    "/_mock/timelines": {"GET": Control.timelines},
    "/_mock/timeline.svg": {"GET": Control.timeline_svg},
    "/_mock/captures": {"GET": partial(Control.listed, listing=CAPTURES)},
    "/_mock/metrics": {"GET": partial(Control.listed, listing=METRICS)},
    "/_mock/events": {"GET": partial(Control.listed, listing=EVENTS)},
    "/_mock/models": {"GET": partial(Control.listed, listing=MODELS), "POST": Control.models},
    "/_mock/clock": {"POST": Control.clock},
    "/_mock/faults": {"POST": Control.faults},
    "/_mock/failures": {"POST": Control.failures},
    "/_mock/alarms": {"POST": Control.alarms},
    "/_mock/scale": {"POST": Control.scale},
    "/_mock/reset": {"POST": Control.reset},
}


MAX_DIGITS = 18
_SCOPE = {"region": "region_name", "account": "account_id"}


def _scope(arguments: dict[Any, Any]) -> dict[str, Any]:
    """Return the given region and account as keyword arguments of the mock's methods. Raises ValueError."""
    scope = {_SCOPE[name]: value for name, value in _only(arguments, *_SCOPE).items()}
    complete(scope)
    return scope


def _only(arguments: dict[Any, Any], *known: str) -> dict[str, Any]:
    """Return the arguments. Raises ValueError for an unknown one."""
    if unknown := sorted(arguments.keys() - set(known)):
        raise ValueError(f"{unknown[0]} is unknown; known: {', '.join(known)}")
    return arguments


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise ValueError(f"{name}={text[:100]!r}: expected a number, zero or more")
    return int(text)


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


def _json(values: Any, status: int = 200) -> Response:
    return Response(_encode(values), status, content_type="application/json")


def _json_list(items: Iterable[Any]) -> Response:
    """Return a list that is encoded item by item: while the encoder runs, no other thread does."""
    return Response(f"[{','.join(map(_encode, items))}]", content_type="application/json")


_encode = json.JSONEncoder(default=plain, separators=(",", ":")).encode


def _error(status: int, message: str) -> Response:
    return _json({"error": message}, status)
