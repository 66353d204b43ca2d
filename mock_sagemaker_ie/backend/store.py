"""The records of one kind of resource in one account and region: by name, and in two orders for lists."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from mock_sagemaker_ie.changes import UndoLog
from mock_sagemaker_ie.protocol.errors import AWSError, validation_exception

if TYPE_CHECKING:
    from mock_sagemaker_ie.backend.tags import Tags


@dataclass(frozen=True)
class ResourceKind:
    """AWS's words for one kind of resource.

    `type`: in ARNs. `noun`: in messages. `name`, `arn`, `listed`: members of requests and answers.
    """

    type: str
    noun: str
    name: str
    arn: str
    listed: str

    def missing(self, name: str, arn: str) -> AWSError:  # noqa: ARG002 - other kinds name the resource by its name
        """Return the error for a name that no resource has."""
        return validation_exception(f'Could not find {self.noun} "{arn}".')

    def taken(self, arn: str) -> AWSError:
        """Return the error for a name that another resource has."""
        return validation_exception(f'Cannot create already existing {self.noun} "{arn}".')


class Record(Protocol):
    """One resource. Records are immutable: a change replaces the record."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def arn(self) -> str: ...  # noqa: D102
    @property
    def number(self) -> int: ...  # noqa: D102
    @property
    def tags(self) -> Tags: ...  # noqa: D102
    def summary(self) -> dict[str, Any]: ...  # noqa: D102


R = TypeVar("R", bound=Record)


class Store(Generic[R]):
    """Records by name.

    `records`: in the order of creation. `by_number`: (number, name) in ascending order. `by_name`: the names, sorted.
    """

    def __init__(
        self, kind: ResourceKind, arn_prefix: str, undo: UndoLog | None = None, *, arn_case: str = "kept"
    ) -> None:
        self.kind = kind
        self._arn_case = arn_case
        self._undo = UndoLog() if undo is None else undo
        self.records: dict[str, R] = {}
        self.by_number: list[tuple[int, str]] = []
        self.by_name: list[str] = []
        self._arn_prefix = arn_prefix
        self._created = 0

    def copy(self, undo: UndoLog) -> Store[R]:
        """Return an independent store with the same records."""
        duplicate: Store[R] = Store(self.kind, self._arn_prefix, undo, arn_case=self._arn_case)
        duplicate._created = self._created
        duplicate.records = dict(self.records)
        duplicate.by_number, duplicate.by_name = list(self.by_number), list(self.by_name)
        return duplicate

    def arn(self, name: str) -> str:
        """Return the ARN of the resource with this name."""
        return f"{self._arn_prefix}:{self.kind.type}/{name.lower() if self._arn_case == 'lower' else name}"

    def find(self, arn: str) -> R | None:
        """Return the record with this ARN, or None."""
        if self._arn_case == "lower":  # The ARN does not have the name.
            return next((record for record in self.records.values() if record.arn == arn), None)
        record = self.records.get(arn.rpartition("/")[2])
        return None if record is None or record.arn != arn else record

    def get(self, name: str) -> R:
        """Return the record with this name. Raises AWSError when there is none."""
        if name not in self.records:
            raise self.kind.missing(name, self.arn(name))
        return self.records[name]

    def require_free(self, name: str) -> None:
        """Raise AWSError when the name is taken."""
        if name in self.records or (self._arn_case == "lower" and self.find(self.arn(name)) is not None):
            raise self.kind.taken(self.arn(name))

    def new_identity(self, name: str) -> dict[str, Any]:
        """Return the name, ARN and number of a record to add. Raises AWSError when the name is taken."""
        self.require_free(name)
        return {"name": name, "arn": self.arn(name), "number": self._created + 1}

    def put(self, record: R) -> None:
        """Add a record, or replace the record with the same name."""
        before = self.records.get(record.name)
        if before is not None:
            self._undo.note(partial(self._revert, before, record))
            self.records[record.name] = record
            return
        self._undo.note(partial(self._withdraw, record, self._created))
        self._created = max(self._created, record.number)
        insort(self.by_number, (record.number, record.name))
        insort(self.by_name, record.name)
        self.records[record.name] = record

    def remove(self, name: str) -> None:
        """Remove a record. Raises AWSError when there is none."""
        record = self.get(name)
        self._undo.note(partial(self._restore, record))
        self._forget(record)

    def _withdraw(self, record: R, created: int) -> None:
        """Remove what is there of a record that was just created, after so many others."""
        self._created = created
        self._forget(record)

    def _revert(self, before: R, record: R) -> None:
        """Put back the record from before, if `record` has replaced it."""
        if self.records.get(record.name) is record:
            self.records[record.name] = before

    def _forget(self, record: R) -> None:
        """Remove what is there of a record."""
        self.records.pop(record.name, None)
        _discard(self.by_number, (record.number, record.name))
        _discard(self.by_name, record.name)

    def _restore(self, record: R) -> None:
        """Add what is not there of a record that was removed, at its old place in every order."""
        _discard(self.by_number, (record.number, record.name))
        insort(self.by_number, (record.number, record.name))
        _discard(self.by_name, record.name)
        insort(self.by_name, record.name)
        self.records.setdefault(record.name, record)
        self.records = {name: self.records[name] for _, name in self.by_number}


def _discard(items: list[Any], item: Any) -> None:
    """Remove an item from a sorted list, if it is there."""
    index = bisect_left(items, item)
    if items[index : index + 1] == [item]:
        del items[index]
