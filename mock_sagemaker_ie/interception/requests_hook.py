"""Patches `requests` while a mock is active: calls to SageMaker's hosts are answered, all others go on as before.

The patch is at `requests.Session.get_adapter`: above the adapters that `responses` and moto replace, so the order in
which they and the mock are entered does not matter, and below `Session.send`, so hooks and cookies work as usual.
Nothing is imported unless `requests` is in use.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.interception import stack
from mock_sagemaker_ie.interception.import_hook import ImportHook
from mock_sagemaker_ie.interception.replacement import Replacement

if TYPE_CHECKING:
    from collections.abc import Callable

SESSIONS = "requests.sessions"


class _Patch:
    """Our version of the method, in a module `requests.sessions` that is imported now or later."""

    def __init__(self) -> None:
        self._sessions: Any = None
        self._replacement: Replacement | None = None
        self._import_hook = ImportHook(SESSIONS, self._apply)

    def install(self) -> None:
        """Replace the method, or let it be replaced when the module is imported."""
        if SESSIONS in sys.modules:
            self._apply(sys.modules[SESSIONS])
        else:
            self._import_hook.install()

    def _apply(self, sessions: Any) -> None:
        if self._replacement is None or sessions is not self._sessions:
            self._sessions, self._replacement = sessions, Replacement(sessions.Session, "get_adapter", _get_adapter)
        self._replacement.install()

    def remove(self) -> None:
        """Restore the original method, unless somebody else has replaced ours; then ours only calls the original."""
        self._import_hook.remove()
        if self._replacement is not None:
            self._replacement.remove()


def _get_adapter(original: Callable[..., Any]) -> Callable[..., Any]:
    from mock_sagemaker_ie.interception.requests_adapter import adapter_for  # noqa: PLC0415 - it imports requests

    def get_adapter(session: Any, url: str) -> Any:
        adapter = original(session, url)
        active = stack.answering()
        return adapter if active is None else adapter_for(active, url, adapter)

    return get_adapter


interceptor = stack.Interceptor(_Patch())
