"""The service without I/O: an operation and its request in, an answer's values or an AWS error out.

A request reads the clock once. It is validated, answered by the backend of its account and region, and recorded.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.loaders
from botocore.endpoint_provider import RuleSetStandardLibrary

from mock_sagemaker_ie.backend.backend import OPERATIONS, RESOURCE_TYPES, RULES, SageMakerBackend
from mock_sagemaker_ie.clock import MockClock, read
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.validation import refuse, violations
from mock_sagemaker_ie.protocol.wire import answer_values, copy_values, decode, whole_milliseconds

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from botocore.model import OperationModel

    from mock_sagemaker_ie.backend.hosting import World
    from mock_sagemaker_ie.clock import Clock

Values = dict[str, Any]

ARN_PARTS = 6


@dataclass(frozen=True)
class Call:
    """One call that the mock answered.

    `operation`: AWS's name. `params`: the request's members. `at`: the instant (UTC) at which it was answered.
    Exactly one of `response` (the answer's members) and `error` (code and message) is not None.
    """

    operation: str
    params: Values
    account_id: str
    region: str
    at: dt.datetime
    error: AWSError | None = None
    _answer: Values | None = None

    @cached_property
    def response(self) -> Values | None:
        """The answer's members, times in UTC; None when the call was answered with an error."""
        return copy_values(self._answer)  # type: ignore[no-any-return]


class Answer(NamedTuple):
    """An answer's values, fresh and of the types botocore's parser gives, and the instant of the answer."""

    values: Values
    at: dt.datetime


class Service:
    """SageMaker as far as we answer it, for every account and region. Safe to call from many threads."""

    def __init__(self, clock: Clock, world: World, account_id: str) -> None:
        self.clock = clock
        self.account_id = account_id
        self.calls: list[Call] = []
        self._world = world
        self._lock = threading.RLock()
        self._latest: dt.datetime | None = None
        self._backends: dict[tuple[str, str], SageMakerBackend] = {}

    def answer(
        self, model: OperationModel, body: bytes | str, *, region: str, account_id: str | None = None
    ) -> Answer | None:
        """Answer a call of `model` with its JSON `body`; None when the operation or its resource is not ours.

        Raises AWSError when the service refuses.
        """
        if model.name not in OPERATIONS:
            return None
        account_id = account_id or self.account_id
        params: Values = {}
        with self._lock:
            now = self.now()
            try:
                params = decode(model.input_shape, body)
                if not _is_ours(params):
                    return None
                values = self._perform(model, params, self.backend(region, account_id), now)
            except AWSError as error:
                self.calls.append(Call(model.name, params, account_id, region, now, error=error))
                raise
            else:
                self.calls.append(Call(model.name, copy_values(params), account_id, region, now, _answer=values))
            finally:
                if isinstance(self.clock, MockClock):
                    self.clock.advance(self.clock.auto_advance)
        return Answer(answer_values(model.output_shape, values), now)

    @staticmethod
    def _perform(model: OperationModel, params: Values, backend: SageMakerBackend, now: dt.datetime) -> Values:
        broken = [] if model.input_shape is None else list(violations(model.input_shape, params))
        for rule in RULES.get(model.name, ()):
            broken += rule(params, now)
        refuse(broken)
        return OPERATIONS[model.name](backend.as_of(now), params, now)

    def now(self) -> dt.datetime:
        """The present instant, in the whole milliseconds that SageMaker keeps.

        Time never goes back: should the clock do so, it stands still here until the clock has caught up.
        """
        now = whole_milliseconds(read(self.clock))
        with self._lock:
            self._latest = now if self._latest is None else max(self._latest, now)
            return self._latest

    def backend(self, region: str, account_id: str | None = None) -> SageMakerBackend:
        """What an account (default: the mock's) holds in a region."""
        key = (account_id or self.account_id, region)
        with self._lock:
            if key not in self._backends:
                self._backends[key] = SageMakerBackend(partition(region), region, key[0], self._world)
            return self._backends[key]

    @contextmanager
    def looking(self, region: str, account_id: str | None = None) -> Iterator[tuple[SageMakerBackend, dt.datetime]]:
        """A backend to look at (default account: the mock's) and the present instant, while no call is answered.

        What the service refuses is raised as LookupError when something is missing, else as ValueError.
        """
        with self._lock:
            try:
                now = self.now()
                yield self.backend(region, account_id).as_of(now), now
            except AWSError as error:
                kind = LookupError if error.code == "ResourceNotFound" else ValueError
                raise kind(error.message) from None

    def adopt(self, other: Service) -> None:
        """Take over a copy of all that another service holds, but for its calls."""
        with other._lock:
            self._backends = {key: backend.copy() for key, backend in other._backends.items()}
            self._latest = other._latest

    def reset(self) -> None:
        """Forget every experiment, tag and call."""
        with self._lock:
            self._backends.clear()
            self.calls.clear()
            self._latest = None


def _is_ours(params: Values) -> bool:
    """Whether a call concerns resources we hold: tags of any other resource are another mock's to answer."""
    arn = params.get("ResourceArn", "").split(":", 5)
    return len(arn) < ARN_PARTS or arn[-1].partition("/")[0] in RESOURCE_TYPES


@lru_cache(maxsize=64)
def partition(region: str) -> str:
    """The partition of a region by botocore's own data: aws, aws-cn, aws-us-gov and so on."""
    library = RuleSetStandardLibrary(botocore.loaders.Loader().load_data("partitions"))
    return str(library.aws_partition(region)["name"])
