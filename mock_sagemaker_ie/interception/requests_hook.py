"""The door for callers that use `requests`: calls to SageMaker's hosts are answered, all others go on as before.

It stands at `requests.Session.get_adapter`, above the adapters that `responses` and moto replace, so that it does not
matter who is nested in whom; and below `Session.send`, whose hooks and cookies are as ever. Nothing is imported unless
`requests` is in use.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.interception.stack import OpenDoors

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from importlib.machinery import ModuleSpec

    from mock_sagemaker_ie.service.service import Service

SESSIONS = "requests.sessions"


class RequestsDoor:
    """While open, lets the calls of every `requests.Session` in to `service`.

    `passthrough`: operations that are none of its business: neither answered nor refused.
    """

    def __init__(self, service: Service, passthrough: Collection[str] = ()) -> None:
        self.service = service
        self.passthrough = frozenset(passthrough)

    def open(self) -> None:
        """Begin to answer; doors that are open already are hidden behind this one."""
        open_doors.open(self)

    def close(self) -> None:
        """Answer no more. After the last door requests' class is exactly what it was."""
        open_doors.close(self)


class _Wrapping:
    """Wraps `requests.Session.get_adapter`, at once or as soon as somebody imports requests."""

    def start(self) -> None:
        self._original: Any = None
        if SESSIONS in sys.modules:
            self.wrap(sys.modules[SESSIONS])
        else:
            sys.meta_path.insert(0, _watch)

    def wrap(self, sessions: Any) -> None:
        """Wrap the method of a module that is there now."""
        from mock_sagemaker_ie.interception.requests_adapter import adapter_for  # noqa: PLC0415 - wanted only with requests

        self._session = sessions.Session
        self._original = original = sessions.Session.get_adapter

        def get_adapter(session: Any, url: str) -> Any:
            adapter = original(session, url)
            door = open_doors.innermost
            return adapter if door is None else adapter_for(door, url, adapter)

        self._wrapper = sessions.Session.get_adapter = get_adapter

    def stop(self) -> None:
        if _watch in sys.meta_path:
            sys.meta_path.remove(_watch)
        # Whoever wrapped it after us keeps what they have; with no door open our wrapper does nothing.
        if self._original is not None and self._session.get_adapter is self._wrapper:
            self._session.get_adapter = self._original


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
