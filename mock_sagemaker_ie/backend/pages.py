"""Lists page by page: filters, sorts, and tokens that stay good while records come and go.

A token says which record was shown last, not how many: what is added or deleted between two pages can neither
repeat a record nor skip one. It is bound to its query, so a token of another list is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mock_sagemaker_ie.protocol.errors import AWSError, validation_exception

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_PAGE_SIZE = 10  # Inferred from SageMaker's other lists.


class Record(Protocol):
    """What every list shows: numbered in the order of creation."""

    @property
    def number(self) -> int: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    def summary(self) -> dict[str, Any]: ...  # noqa: D102


R = TypeVar("R", bound=Record)
R_co = TypeVar("R_co", bound=Record, covariant=True)


class Records(Protocol[R_co]):
    """Records in the order of their creation, such as a dict's values."""

    def __iter__(self) -> Iterator[R_co]: ...
    def __reversed__(self) -> Iterator[R_co]: ...


# How a sort orders records: a key that no two records share, so that a position is unambiguous.
SortKey = Callable[[Any], list[Any]]


def by_creation(record: Record) -> list[Any]:
    """Order of creation: time never goes back, so numbers order as CreationTime does."""
    return [record.number]


# By SortBy's value.
SORTS: dict[str, SortKey] = {
    "CreationTime": by_creation,
    "Name": lambda record: [record.name],
    "Status": lambda record: [record.status.value, record.number],
}

# By the request's member. Before and After are exclusive (inferred).
FILTERS: dict[str, Callable[[Any, Any], bool]] = {
    "NameContains": lambda record, text: text in record.name,
    "Type": lambda record, kind: record.settings["Type"] == kind,
    "StatusEquals": lambda record, status: record.status == status,
    "CreationTimeAfter": lambda record, when: record.created > when,
    "CreationTimeBefore": lambda record, when: record.created < when,
    "LastModifiedTimeAfter": lambda record, when: record.modified > when,
    "LastModifiedTimeBefore": lambda record, when: record.modified < when,
}


def answer(member: str, records: Records[Record], query: Mapping[str, Any], scope: str) -> dict[str, Any]:
    """What a List operation answers: a page of summaries under `member`, and the next page's token if there is one."""
    shown, token = page(records, query, scope)
    values: dict[str, Any] = {member: [record.summary() for record in shown]}
    return values if token is None else {**values, "NextToken": token}


def page(records: Records[R], query: Mapping[str, Any], scope: str) -> tuple[list[R], str | None]:
    """One page of `records` (in the order of creation) and the token of the next, None on the last.

    `query`: the List request's members; what it sorts and filters by, the records have as attributes.
    `scope`: operation, account and region; part of what a token is bound to.
    Raises AWSError (ValidationException) for a token that this query did not give out.
    """
    position = _read_token(query, scope)
    key = SORTS[query.get("SortBy", "CreationTime")]
    ascending = query.get("SortOrder", "Descending") == "Ascending"
    tests = [(test, query[name]) for name, test in FILTERS.items() if name in query]
    wanted = (
        record
        for record in _after(records, position, key, ascending=ascending)
        if all(test(record, value) for test, value in tests)
    )
    size = query.get("MaxResults", DEFAULT_PAGE_SIZE)
    shown = list(islice(wanted, size))
    more = next(wanted, None) is not None
    return shown, _write_token(query, scope, key(shown[-1])) if more else None


def _after(records: Records[R], position: list[Any] | None, key: SortKey, *, ascending: bool) -> Iterator[R]:
    """The records that come after `position` in the list's direction; all of them when it is None."""
    if position is None and key is by_creation:  # The usual page looks at no more records than it shows.
        return iter(records) if ascending else reversed(records)
    ordered = list(records) if key is by_creation else sorted(records, key=key)
    if position is None:
        return iter(ordered) if ascending else reversed(ordered)
    if ascending:
        return islice(ordered, bisect_right(ordered, position, key=key), None)
    return reversed(ordered[: bisect_left(ordered, position, key=key)])


# --- tokens: the position and a digest that binds it to the query


def _write_token(query: Mapping[str, Any], scope: str, position: list[Any]) -> str:
    text = json.dumps(position)
    return base64.urlsafe_b64encode(f"{_digest(query, scope, text)}{text}".encode()).decode()


def _read_token(query: Mapping[str, Any], scope: str) -> list[Any] | None:
    if "NextToken" not in query:
        return None
    try:
        content = base64.b64decode(query["NextToken"], altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        content = ""
    digest, text = content[:_DIGEST_LENGTH], content[_DIGEST_LENGTH:]
    if not hmac.compare_digest(digest.encode(), _digest(query, scope, text).encode()):
        raise invalid_token()
    position: list[Any] = json.loads(text)
    return position


_DIGEST_LENGTH = 32


def _digest(query: Mapping[str, Any], scope: str, text: str) -> str:
    # A page may have another size than the one before it; everything else must be the same.
    bound = sorted((name, str(value)) for name, value in query.items() if name not in ("NextToken", "MaxResults"))
    return hashlib.sha256(repr((scope, bound, text)).encode()).hexdigest()[:_DIGEST_LENGTH]


def invalid_token() -> AWSError:
    """The error for a token that this query did not give out."""
    return validation_exception("Invalid NextToken: no list with these filters and this order returned it.")
