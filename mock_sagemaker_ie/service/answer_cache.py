"""The cache of answers: a poll loop repeats a call, and gets the same answer until a record changes.

It is the only cache of answers. Without it DescribeInferenceExperiment takes about a third longer.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from mock_sagemaker_ie.protocol.wire import answer_headers, answer_reader, local_time, same

if TYPE_CHECKING:
    from botocore.model import OperationModel

    from mock_sagemaker_ie.backend.backend import SageMakerBackend

Values = dict[str, Any]
# Region, account, and the body of the request.
Key = tuple[str, str, bytes | str]


class CachedAnswer:
    """A cached answer, valid while its records are unchanged: while `backend` has this `version`.

    `params`: the members of the request. `values`: the answer, which may share dicts and lists with the records.
    `headers`: those that describe the body or carry members. `in_utc`: copies `values` with times in UTC.
    """

    def __init__(
        self, model: OperationModel, params: Values, values: Values, backend: SageMakerBackend | None = None
    ) -> None:
        self.params, self.values, self.backend = params, values, backend
        self.version = None if backend is None else backend.version
        self.headers = answer_headers(model, values)
        self.in_utc = answer_reader(model.output_shape, same)
        self._in_local_time = answer_reader(model.output_shape, local_time)
        self._copies: _Copies | None = None
        self._machine: tuple[object, ...] = ()

    def fresh(self) -> Values:
        """Return the members of the answer, with the types of botocore's parser, in dicts and lists that nobody shares.

        Times are in the time zone of the machine, which a test may change, as freezegun may the datetime class.
        """
        machine = dt.datetime, time.tzname, time.timezone
        if self._machine != machine:  # Or this is the first use, which is often the only one.
            self._machine, self._copies = machine, None
            return self._in_local_time(self.values)
        if self._copies is None:
            self._copies = _Copies(self._in_local_time(self.values))
        return self._copies.make()


class _Copies:
    """Makes copies of values quickly: it has all dicts and lists side by side, and knows which contains which."""

    def __init__(self, values: Values) -> None:
        self._containers: list[Any] = []
        self._links: list[tuple[int, Any, int]] = []
        self._add(values)

    def _add(self, container: Any) -> None:
        index = len(self._containers)
        self._containers.append(container)
        for key, item in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(item, (dict, list)):
                self._links.append((index, key, len(self._containers)))
                self._add(item)

    def make(self) -> Values:
        containers = [container.copy() for container in self._containers]
        for outer, key, inner in self._links:
            containers[outer][key] = containers[inner]
        values: Values = containers[0]
        return values


class AnswerCache:
    """The answers to the last calls of Describe operations, by operation, and by region, account and request body.

    A model is a weak key: it belongs to a session, which must be freed when nobody uses it.
    """

    MAX_ANSWERS = 256  # Of each operation.
    MAX_BODY_SIZE = 256  # A longer request is not worth its memory.

    def __init__(self) -> None:
        self._answers: WeakKeyDictionary[OperationModel, dict[Key, CachedAnswer]] = WeakKeyDictionary()

    def find(self, model: OperationModel, key: Key) -> CachedAnswer | None:
        """Return the answer to this request, or None."""
        answers = self._answers.get(model)
        return None if answers is None else answers.get(key)

    def put(self, model: OperationModel, key: Key, answer: CachedAnswer) -> None:
        """Keep an answer, if its operation is one that a poll loop repeats."""
        if not model.name.startswith("Describe") or len(key[-1]) > self.MAX_BODY_SIZE:
            return
        answers = self._answers.setdefault(model, {})
        if len(answers) >= self.MAX_ANSWERS:
            answers.clear()
        answers[key] = answer

    def clear(self) -> None:
        """Forget every answer."""
        self._answers.clear()
