"""Patches `requests` while a mock is active: calls to SageMaker's hosts are answered, all others go on as before.

The patch is at `requests.Session.get_adapter`: above the adapters that `responses` and moto replace, so the order in
which they and the mock are entered does not matter, and below `Session.send`, so hooks and cookies work as usual.
Nothing is imported unless `requests` is in use.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.interception import stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

SESSIONS = "requests.sessions"


class _Patch:
    """Our version of the method, in a module `requests.sessions` that is imported now or later."""

    def __init__(self) -> None:
        self._original: Any = None
        if SESSIONS in sys.modules:
            self.apply(sys.modules[SESSIONS])
        else:
            sys.meta_path.insert(0, self)

    def apply(self, sessions: Any) -> None:
        """Replace the method of a module that has been imported."""
        from mock_sagemaker_ie.interception.requests_adapter import adapter_for  # noqa: PLC0415 - it imports requests

        self._session = sessions.Session
        self._original = original = sessions.Session.get_adapter

        def get_adapter(session: Any, url: str) -> Any:
            adapter = original(session, url)
            active = stack.answering()
            return adapter if active is None else adapter_for(active, url, adapter)

        self._replacement = sessions.Session.get_adapter = get_adapter

    def remove(self) -> None:
        """Restore the original method, unless somebody else has replaced ours; then ours only calls the original."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        if self._original is not None and self._session.get_adapter is self._replacement:
            self._session.get_adapter = self._original

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: Any = None) -> ModuleSpec | None:
        """Apply the patch when somebody imports requests: the import system calls this for each new module."""
        if name != SESSIONS:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                if interceptor.installed is self:
                    self.apply(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


interceptor = stack.Interceptor(_Patch)
