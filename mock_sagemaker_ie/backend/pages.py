"""Lists in pages: filters, orders, and tokens that stay valid while records come and go.

A token names the record that was shown last, not a count of records. So a record that is added or deleted between two
pages neither repeats another record nor hides one. A token is bound to its query: another list refuses it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mock_sagemaker_ie.protocol.errors import AWSError, validation_exception

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mock_sagemaker_ie.backend.store import Store

R = TypeVar("R", bound=Any)
T = TypeVar("T")


class Defaults(NamedTuple):
    """What a List operation does when its request does not say it; by default as SageMaker's documented lists.

    `filters`: whether it filters `before_page` is cut, or `after_page` (inferred: list_filters).
    """

    size: int = 10
    sort_by: str = "CreationTime"
    sort_order: str = "Descending"
    filters: str = "before_page"


SIBLINGS = Defaults()

# The place of a record in an order: JSON values that no two records share.
Position = list[Any]


def answer(store: Store[Any], query: Mapping[str, Any], scope: str, defaults: Defaults) -> dict[str, Any]:
    """Return the answer of a List operation: a page of summaries, and the token of the next page if there is one."""
    shown, token = page(store, query, scope, defaults)
    values: dict[str, Any] = {store.kind.listed: [record.summary() for record in shown]}
    return values if token is None else {**values, "NextToken": token}


def shorten(query: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Return a query for a page of at most `size` records, which may be 0."""
    return {**query, "MaxResults": min(size, query.get("MaxResults", SIBLINGS.size))}


def page(
    store: Store[R], query: Mapping[str, Any], scope: str, defaults: Defaults = SIBLINGS
) -> tuple[list[R], str | None]:
    """Return one page of the records in `store` and the token of the next page, which is None on the last page.

    `query`: the members of the List request. `scope`: operation, account and region; a token is bound to them too.
    Raises AWSError (ValidationException) for a token that this query did not return.
    """
    after, empty = _read_token(query, scope)
    walk, position = ORDERS[query.get("SortBy", defaults.sort_by)]
    tests = [(test, query[name]) for name, test in FILTERS.items() if name in query]

    def fits(record: R) -> bool:
        return all(test(record, value) for test, value in tests)

    walked = walk(store, after, query.get("SortOrder", defaults.sort_order) == "Ascending")
    found = walked if defaults.filters == "after_page" else filter(fits, walked)
    cut = list(islice(found, query.get("MaxResults", defaults.size)))
    more = next(found, None) is not None
    # The token after an empty page is another one too: botocore refuses to see the same token twice.
    end = (position(cut[-1]), 0) if cut else (after, empty + 1)
    return list(filter(fits, cut)), _write_token(query, scope, *end) if more else None


# By the member of the request. Before and After are exclusive (inferred: list_filter_edges).
FILTERS: dict[str, Callable[[Any, Any], bool]] = {
    "NameContains": lambda record, text: text in record.name,
    "Type": lambda record, kind: record.settings["Type"] == kind,
    "StatusEquals": lambda record, status: record.status == status,
    "CreationTimeAfter": lambda record, when: record.created > when,
    "CreationTimeBefore": lambda record, when: record.created < when,
    "LastModifiedTimeAfter": lambda record, when: record.modified > when,
    "LastModifiedTimeBefore": lambda record, when: record.modified < when,
}


# --- orders: each page starts at its position, without a look at the pages before, so a walk through pages is linear


def _by_creation(store: Store[R], after: Position | None, ascending: bool) -> Iterator[R]:  # noqa: FBT001
    """Yield the records in the order of creation. Time never goes back, so CreationTime gives the same order."""
    number = None if after is None else after[0]
    for _, name in _walk(store.by_number, number, ascending, key=lambda pair: pair[0]):
        yield store.records[name]


def _by_name(store: Store[R], after: Position | None, ascending: bool) -> Iterator[R]:  # noqa: FBT001
    name = None if after is None else after[0]
    return (store.records[name] for name in _walk(store.by_name, name, ascending, key=str))


def _by_status(store: Store[R], after: Position | None, ascending: bool) -> Iterator[R]:  # noqa: FBT001
    """Yield the records by status, and those with the same status in the order of creation."""
    if not store.records:
        return
    statuses = sorted(status.value for status in type(next(iter(store.records.values())).status))
    reached = None if after is None else after[0]
    for status in _walk(statuses, reached, ascending, key=str, inclusive=True):
        start = after[1:] if after is not None and status == reached else None
        yield from (record for record in _by_creation(store, start, ascending) if record.status.value == status)


def _walk(
    items: Sequence[T],
    after: Any,
    ascending: bool,  # noqa: FBT001
    *,
    key: Callable[[T], Any],
    inclusive: bool = False,
) -> Iterator[T]:
    """Yield the items of an ascending sequence that come after a key, or all when it is None, in either direction.

    `inclusive`: yield the item with that key too.
    """
    if ascending:
        bisect = bisect_left if inclusive else bisect_right
        indices = range(0 if after is None else bisect(items, after, key=key), len(items))
    else:
        bisect = bisect_right if inclusive else bisect_left
        indices = range((len(items) if after is None else bisect(items, after, key=key)) - 1, -1, -1)
    return (items[index] for index in indices)


# By the value of SortBy: how to walk through the records, and the position of one.
Walk = Callable[[Any, "Position | None", bool], Iterator[Any]]
ORDERS: dict[str, tuple[Walk, Callable[[Any], Position]]] = {
    "CreationTime": (_by_creation, lambda record: [record.number]),
    "Name": (_by_name, lambda record: [record.name]),
    "Status": (_by_status, lambda record: [record.status.value, record.number]),
}


# --- tokens: a position, and a digest that binds it to the query


def _write_token(query: Mapping[str, Any], scope: str, position: Position | None, empty: int) -> str:
    """Return the token of a page that begins after a position (None: at the first record) and some empty pages."""
    text = json.dumps([position, empty])
    return base64.urlsafe_b64encode(f"{_digest(query, scope, text)}{text}".encode()).decode()


def _read_token(query: Mapping[str, Any], scope: str) -> tuple[Position | None, int]:
    if "NextToken" not in query:
        return None, 0
    try:
        content = base64.b64decode(query["NextToken"], altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        content = ""
    digest, text = content[:_DIGEST_LENGTH], content[_DIGEST_LENGTH:]
    if not hmac.compare_digest(digest.encode(), _digest(query, scope, text).encode()):
        raise invalid_token()
    position, empty = json.loads(text)
    return position, empty


_DIGEST_LENGTH = 32


def _digest(query: Mapping[str, Any], scope: str, text: str) -> str:
    # The next page may have another size; every other member of the query must be the same.
    bound = sorted((name, str(value)) for name, value in query.items() if name not in ("NextToken", "MaxResults"))
    return hashlib.sha256(repr((scope, bound, text)).encode()).hexdigest()[:_DIGEST_LENGTH]


def invalid_token() -> AWSError:
    """Return the error for a token that this query did not return."""
    return validation_exception("Invalid NextToken: no list with these filters and this order returned it.")
