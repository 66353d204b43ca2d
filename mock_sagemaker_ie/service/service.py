"""The service without I/O: an operation and its request in, an answer's values or an AWS error out.

A request reads the clock once. It is validated, answered by the backend of its account and region, and recorded.
Only an invocation may take more time: its models are called while no lock is held.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.loaders
from botocore.endpoint_provider import RuleSetStandardLibrary

from mock_sagemaker_ie.backend.backend import SageMakerBackend
from mock_sagemaker_ie.backend.operations import OPERATIONS, RESOURCE_TYPES, RULES
from mock_sagemaker_ie.clock import MockClock, movable, read
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.validation import refuse, violations
from mock_sagemaker_ie.protocol.wire import (
    WireRequest,
    answer_values,
    copy_values,
    read_request,
    whole_milliseconds,
    write_answer,
)
from mock_sagemaker_ie.service.faults import Faults
from mock_sagemaker_ie.service.models import run, run_async

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from botocore.model import OperationModel, Shape

    from mock_sagemaker_ie.backend.settings import Settings
    from mock_sagemaker_ie.clock import Clock
    from mock_sagemaker_ie.protocol.validation import Violation
    from mock_sagemaker_ie.service.invocation import Runtime
    from mock_sagemaker_ie.service.models import Steps

Values = dict[str, Any]

ARN_PARTS = 6
SMALL = 256  # bytes of a request that is worth remembering
INVOKE_ENDPOINT = "InvokeEndpoint"
ANSWERED = (*OPERATIONS, INVOKE_ENDPOINT)


@dataclass(frozen=True)
class Call:
    """One call that the mock answered.

    `operation`: AWS's name. `params`: the request's members. `at`: the instant (UTC) at which it was answered.
    Exactly one of `response` (the answer's members) and `error` is not None: an AWSError with its code and message,
    or an error of the connection that a test arranged.
    """

    operation: str
    params: Values
    account_id: str
    region: str
    at: dt.datetime
    error: AWSError | Exception | None = None
    _answer: Values | None = None
    _shape: Shape | None = None

    @cached_property
    def response(self) -> Values | None:
        """The answer's members, times in UTC; None when the call was answered with an error."""
        return None if self._answer is None else answer_values(self._shape, self._answer, local=False)


class Answer(NamedTuple):
    """An answer and its instant. `said` is shared with the records and has more members than the answer."""

    model: OperationModel
    said: Values
    at: dt.datetime

    @property
    def values(self) -> Values:
        """The answer's values, fresh and of the types botocore's parser gives."""
        return answer_values(self.model.output_shape, self.said)

    @property
    def wire(self) -> tuple[bytes, dict[str, str]]:
        """The answer's body, and the headers that say something of it."""
        return write_answer(self.model, self.said)


class Service:
    """SageMaker as far as we answer it, for every account and region. Safe to call from many threads."""

    def __init__(
        self, clock: Clock, settings: Settings, account_id: str, runtime: Runtime, keep: int | None = None
    ) -> None:
        self.clock = clock
        self.account_id = account_id
        self.runtime = runtime
        self.calls: deque[Call] = deque(maxlen=keep)
        self.faults = Faults()
        self.on_call: Callable[[Call], None] | None = None  # Told of each call before it is answered.
        self._settings = settings
        self._lock = threading.RLock()
        self._latest: dt.datetime | None = None
        self._backends: dict[tuple[str, str], SageMakerBackend] = {}
        # Who waits for a status asks the same again and again. Kept no longer than the service: a model is large.
        self._understand_small = lru_cache(maxsize=256)(_understand_body)

    def answer(
        self, model: OperationModel, request: WireRequest, *, region: str, account_id: str | None = None
    ) -> Answer | None:
        """Answer a call of `model`; None when the operation or its resource is not ours.

        Raises AWSError when the service refuses, HandlerError when the handler of a model is at fault.
        """
        account_id = account_id or self.account_id
        if model.name == INVOKE_ENDPOINT:
            return run(self._invoke(model, request, region, account_id))
        return self._operate(model, request, region, account_id) if model.name in OPERATIONS else None

    async def answer_async(
        self, model: OperationModel, request: WireRequest, *, region: str, account_id: str | None = None
    ) -> Answer | None:
        """The same for an asynchronous caller, whose models' handlers may be coroutine functions."""
        if model.name == INVOKE_ENDPOINT:
            return await run_async(self._invoke(model, request, region, account_id or self.account_id))
        return self.answer(model, request, region=region, account_id=account_id)

    # --- faults

    def delay(self, operation: str) -> None:
        """Let pass the time that a call, or an attempt of it, was arranged to take."""
        if (delay := self.faults.take_delay(operation)) is not None:
            movable(self.clock, "sleep")(delay.total_seconds())

    def meet_fault(
        self, model: OperationModel, request: WireRequest, *, region: str, account_id: str | None = None
    ) -> Exception | None:
        """The error that a call, or an attempt of it, meets now, for the transport to deliver; None for none."""
        self.delay(model.name)
        error = self.faults.take_error(model.name)
        if error is None:
            return None
        try:
            params = read_request(model, request)
        except AWSError:
            params = {}
        account_id = account_id or self.account_id
        self._record(Call(model.name, params, account_id, region, self.now(), error=error))
        return error

    # --- answers

    def _operate(self, model: OperationModel, request: WireRequest, region: str, account_id: str) -> Answer | None:
        params: Values = {}
        with self._lock:
            now = self.now()
            try:
                params, broken = self._understood(model, request)
                if not _is_ours(params):
                    return None
                _refuse_broken(model, params, broken, now)
                values = OPERATIONS[model.name](self.backend(region, account_id).as_of(now), params, now)
            except AWSError as error:
                self._record(Call(model.name, copy_values(params), account_id, region, now, error=error))
                raise
            params = copy_values(params)
            self._record(Call(model.name, params, account_id, region, now, None, values, model.output_shape))
        return Answer(model, values, now)

    def _invoke(self, model: OperationModel, request: WireRequest, region: str, account_id: str) -> Steps[Answer]:
        params: Values = {}
        now = self.now()
        try:
            params, broken = _understand(model, request)  # Its path says something too.
            _refuse_broken(model, params, broken, now)
            with self._lock:
                route = self.backend(region, account_id).as_of(now).route(params)
            arn = f"arn:{partition(region)}:logs:{region}:{account_id}:log-group:/aws/sagemaker/Endpoints"
            values = yield from self.runtime.exchange(route, params, now, self.now, f"{arn}/{params['EndpointName']}")
        except AWSError as error:
            self._record(Call(model.name, params, account_id, region, now, error=error))
            raise
        self._record(Call(model.name, params, account_id, region, now, None, values, model.output_shape))
        return Answer(model, values, now)

    def _understood(self, model: OperationModel, request: WireRequest) -> tuple[Values, Sequence[Violation]]:
        """A request's members, not to be changed, and what they break of the operation's shape."""
        if len(request.body) <= SMALL and not request.headers:
            return self._understand_small(model, request.body)
        return _understand(model, request)

    def _record(self, call: Call) -> None:
        if isinstance(call.error, AWSError):
            call.error.at = call.at
        with self._lock:
            self.calls.append(call)
            if self.on_call is not None:
                self.on_call(call)
            if isinstance(self.clock, MockClock) and self.clock.auto_advance:
                self.clock.advance(self.clock.auto_advance)

    def recorded(self) -> tuple[Call, ...]:
        """The calls, while none is recorded."""
        with self._lock:
            return tuple(self.calls)

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
                self._backends[key] = SageMakerBackend(partition(region), region, key[0], self._settings)
            return self._backends[key]

    def worlds(self) -> list[tuple[str, str]]:
        """The accounts and regions that there are backends of."""
        with self._lock:
            return list(self._backends)

    @property
    def latest(self) -> dt.datetime | None:
        """The last instant that anybody was told of."""
        return self._latest

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Let no call change anything meanwhile."""
        with self._lock:
            yield

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
            self.runtime.handlers.update(other.runtime.handlers)

    def after_fork(self) -> None:
        """In a child, no thread is left that could release a lock."""
        self._lock = threading.RLock()
        self.faults.after_fork()
        self.runtime.after_fork()
        if isinstance(self.clock, MockClock):
            self.clock.after_fork()

    def reset(self) -> None:
        """Forget everything but the models' handlers."""
        with self._lock:
            self._backends.clear()
            self.faults.clear()
            self.calls.clear()
            self._latest = None
        self.runtime.reset()


def _understand(model: OperationModel, request: WireRequest) -> tuple[Values, Sequence[Violation]]:
    params = read_request(model, request)
    return params, [] if model.input_shape is None else list(violations(model.input_shape, params))


def _understand_body(model: OperationModel, body: bytes | str) -> tuple[Values, Sequence[Violation]]:
    return _understand(model, WireRequest(body))


def _refuse_broken(model: OperationModel, params: Values, broken: Sequence[Violation], now: dt.datetime) -> None:
    """Raise one AWSError for all that a request breaks before any record is looked at."""
    for rule in RULES.get(model.name, ()):
        broken = [*broken, *rule(params, now)]
    if broken:  # The runtime has a name of its own for it.
        runtime = model.service_model.service_id.hyphenize() == "sagemaker-runtime"
        refuse(broken, "ValidationError" if runtime else None)


def _is_ours(params: Values) -> bool:
    """Whether a call concerns resources we hold: tags of any other resource are another mock's to answer."""
    arn = params.get("ResourceArn", "").split(":", 5)
    return len(arn) < ARN_PARTS or arn[-1].partition("/")[0] in RESOURCE_TYPES


@lru_cache(maxsize=64)
def partition(region: str) -> str:
    """The partition of a region by botocore's own data: aws, aws-cn, aws-us-gov and so on."""
    library = RuleSetStandardLibrary(botocore.loaders.Loader().load_data("partitions"))
    return str(library.aws_partition(region)["name"])
