"""Patches `requests` while a mock is active: calls to SageMaker's hosts are answered, all others go on as before.

The patch is at `requests.Session.get_adapter`: above the adapters that `responses` and moto replace, so the order in
which they and the mock are entered does not matter, and below `Session.send`, so hooks and cookies work as usual. A
second one refuses what is sent by an adapter without a session.
Nothing is imported unless `requests` is in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mock_sagemaker_ie.interception import name_lookup, stack
from mock_sagemaker_ie.interception.import_hook import ModulePatch
from mock_sagemaker_ie.interception.replacement import Replacement

if TYPE_CHECKING:
    from collections.abc import Callable

    from mock_sagemaker_ie.interception.replacement import Link


def _replacements(sessions: Any) -> list[Replacement]:
    return [
        Replacement(sessions.Session, "get_adapter", _get_adapter),
        Replacement(sessions.HTTPAdapter, "request_url", _request_url),
    ]


def _get_adapter(link: Link) -> Callable[..., Any]:
    from mock_sagemaker_ie.interception.requests_adapter import adapter_for  # noqa: PLC0415 - it imports requests

    def get_adapter(session: Any, url: str) -> Any:
        adapter = link.original(session, url)
        active = stack.answering()
        return adapter if active is None else adapter_for(active, url, adapter)

    return get_adapter


def _request_url(link: Link) -> Callable[..., Any]:
    """Refuse what is sent without a session, by `HTTPAdapter().send`, which calls this method.

    So a proxy, whose address would be looked up instead, gets nothing either.
    """

    def request_url(adapter: Any, request: Any, proxies: Any) -> Any:
        name_lookup.refuse(urlsplit(request.url).hostname or "")
        return link.original(adapter, request, proxies)

    return request_url


interceptor = stack.Interceptor(ModulePatch("requests.sessions", _replacements))
