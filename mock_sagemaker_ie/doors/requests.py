"""The door for callers that use `requests`: calls to SageMaker's hosts are answered, all others go on as before.

It stands at `requests.Session.send`, above the adapters that `responses` and moto replace, so that it does not matter
who is nested in whom. Nothing is imported unless `requests` is in use.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mock_sagemaker_ie.doors.stack import OpenDoors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

    from mock_sagemaker_ie.service import Service

SESSIONS = "requests.sessions"


class RequestsDoor:
    """While open, lets the calls of every `requests.Session` in to `service`."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def open(self) -> None:
        """Begin to answer; doors that are open already are hidden behind this one."""
        open_doors.open(self)

    def close(self) -> None:
        """Answer no more. After the last door requests' class is exactly what it was."""
        open_doors.close(self)

    def send(self, request: Any) -> Any:
        """The answer to a prepared request, as requests reads it."""
        import responses  # noqa: PLC0415 - slow, and wanted only where requests is in use
        from requests.adapters import HTTPAdapter  # noqa: PLC0415

        from mock_sagemaker_ie.doors.gateway import HTTPRequest, answer  # noqa: PLC0415

        address = urlsplit(request.url)
        body = request.body or b""
        content = body.read() if hasattr(body, "read") else body
        came = HTTPRequest(
            method=request.method,
            host=address.hostname or "",
            path=address.path or "/",
            headers={name.lower(): str(value) for name, value in request.headers.items()},
            body=content.encode() if isinstance(content, str) else bytes(content),
        )
        answered = answer(self.service, came)
        headers = {name: value for name, value in answered.headers.items() if name != "content-type"}
        canned = responses.Response(
            request.method,
            request.url,
            body=answered.body,
            status=answered.status,
            headers=headers,
            content_type=answered.headers.get("content-type"),
            auto_calculate_content_length=False,
        )
        return HTTPAdapter().build_response(request, canned.get_response(request))


class _Wrapping:
    """Wraps `requests.Session.send`, at once or as soon as somebody imports requests."""

    def start(self) -> None:
        self._original: Any = None
        if SESSIONS in sys.modules:
            self.wrap(sys.modules[SESSIONS])
        else:
            sys.meta_path.insert(0, _watch)

    def wrap(self, sessions: Any) -> None:
        """Wrap the method of a module that is there now."""
        self._session = sessions.Session
        self._original = original = sessions.Session.send

        from mock_sagemaker_ie.doors.gateway import is_sagemaker  # noqa: PLC0415 - wanted only with requests

        def send(session: Any, request: Any, **options: Any) -> Any:
            door = open_doors.innermost
            if door is not None and is_sagemaker(urlsplit(request.url).hostname or ""):
                return door.send(request)
            return original(session, request, **options)

        self._wrapper = sessions.Session.send = send

    def stop(self) -> None:
        if _watch in sys.meta_path:
            sys.meta_path.remove(_watch)
        # Whoever wrapped it after us keeps what they have; with no door open our wrapper does nothing.
        if self._original is not None and self._session.send is self._wrapper:
            self._session.send = self._original


class _Watch:
    """Waits for the import of requests."""

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: Any = None) -> ModuleSpec | None:
        if name != SESSIONS:
            return None
        sys.meta_path.remove(_watch)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                if open_doors.innermost is not None:
                    _wrapping.wrap(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_watch: Any = _Watch()
_wrapping = _Wrapping()
open_doors: OpenDoors[RequestsDoor] = OpenDoors(_wrapping.start, _wrapping.stop)
