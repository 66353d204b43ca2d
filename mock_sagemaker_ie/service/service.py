"""The service: one call in, one answer or AWS error out. It does no I/O.

A call reads the clock once. It is validated, answered by the backend of its account and region, and recorded. Only an
invocation may take more time: no lock is held while its models run.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections import deque
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from botocore.endpoint_provider import RuleSetStandardLibrary

from mock_sagemaker_ie.backend.backend import SageMakerBackend
from mock_sagemaker_ie.backend.operations import OPERATIONS, RESOURCE_TYPES, RULES, changes, operate
from mock_sagemaker_ie.calls import INVOKE_ENDPOINT, Call, RecordedError
from mock_sagemaker_ie.clock import MockClock, movable, read
from mock_sagemaker_ie.forks import new_lock
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.validation import refuse, violations
from mock_sagemaker_ie.protocol.wire import copy_values, encode, encode_answer, read_request, whole_milliseconds
from mock_sagemaker_ie.service.answer_cache import AnswerCache, CachedAnswer, Key
from mock_sagemaker_ie.service.clients import partitions
from mock_sagemaker_ie.service.faults import Faults, is_longer
from mock_sagemaker_ie.service.invocation import Invoked, warn_of
from mock_sagemaker_ie.service.polling import PollingWatch
from mock_sagemaker_ie.service.steps import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from botocore.model import OperationModel

    from mock_sagemaker_ie.backend.settings import Settings
    from mock_sagemaker_ie.clock import Clock
    from mock_sagemaker_ie.protocol.wire import WireRequest
    from mock_sagemaker_ie.service.faults import ReadTimeout
    from mock_sagemaker_ie.service.invocation import Runtime
    from mock_sagemaker_ie.service.steps import Steps

Values = dict[str, Any]

ARN_PARTS = 6


class Answer(NamedTuple):
    """An answer, and the instant (UTC) at which it was given."""

    model: OperationModel
    answer: CachedAnswer
    at: dt.datetime

    @property
    def values(self) -> Values:
        """The members of the answer: fresh values with the types of botocore's parser."""
        return self.answer.fresh()

    @property
    def headers(self) -> dict[str, str]:
        """The headers that describe the body or carry members."""
        return self.answer.headers

    @property
    def wire(self) -> tuple[bytes, dict[str, str]]:
        """The encoded body, and the headers that describe it."""
        return encode_answer(self.model, self.answer.values)


class Service:
    """The part of SageMaker that the mock answers, for every account and region. Many threads may call it."""

    def __init__(
        self, clock: Clock, settings: Settings, account_id: str, runtime: Runtime, keep: int | None = None
    ) -> None:
        self.clock = clock
        self.account_id = account_id
        self.runtime = runtime
        self.calls: deque[Call] = deque(maxlen=keep)
        self.faults = Faults()
        # Gets each change of the state before it is applied, and is told by its context whether it was.
        self.on_change: Callable[[Values], AbstractContextManager[None]] | None = None
        self._settings = settings
        self._lock = new_lock()
        self._latest: dt.datetime | None = None
        self._left: dt.datetime | None = None  # The instant at which the mock was left.
        self._shown: dt.datetime | None = None
        self._backends: dict[tuple[str, str], SageMakerBackend] = {}
        self._cache = AnswerCache()
        self.watch = PollingWatch()

    def answer(
        self, model: OperationModel, request: WireRequest, *, region: str, account_id: str | None = None
    ) -> Answer | None:
        """Answer a synchronous call of `model`. Return None when the mock does not have the operation or its resource.

        Raises AWSError when the service refuses the call, HandlerError when the handler of a model is wrong.
        """
        return cast("Answer | None", run(self.steps(model, request, region=region, account_id=account_id)))

    def steps(
        self,
        model: OperationModel,
        request: WireRequest,
        *,
        region: str,
        account_id: str | None = None,
        asynchronous: bool = False,
    ) -> Steps[Answer | None]:
        """Answer a call as `answer` does. For an asynchronous caller handlers of models may be coroutine functions."""
        account_id = account_id or self.account_id
        self.watch.raise_if_forever(model.name)
        if model.name == INVOKE_ENDPOINT:
            return (yield from self._invoke(model, request, region, account_id, asynchronous=asynchronous))
        return self._operate(model, request, region, account_id) if model.name in OPERATIONS else None

    # --- faults

    def delay(self, operation: str) -> None:
        """Move the clock by the delay that was arranged for this call or attempt, if there is one."""
        self._sleep(self.faults.take_delay(operation))

    def _sleep(self, delay: dt.timedelta | None) -> None:
        if delay is not None:
            movable(self.clock, "sleep")(delay.total_seconds())

    def take_fault(
        self,
        model: OperationModel,
        request: WireRequest,
        *,
        region: str,
        account_id: str | None = None,
        read_timeout: ReadTimeout | None = None,
    ) -> Exception | None:
        """Return the error that was arranged for this call or attempt, and record it; None when there is none.

        The clock moves by the delay that was arranged for it. A delay longer than `read_timeout` ends there, with the
        error that the caller then gets, unless another error was arranged for the same attempt.
        """
        delay, error = self.faults.take_delay(model.name), self.faults.take_error(model.name)
        if error is None and read_timeout is not None and is_longer(delay, read_timeout.seconds):
            delay, error = dt.timedelta(seconds=read_timeout.seconds), read_timeout.error
        self._sleep(delay)
        if error is None:
            return None
        try:
            params = read_request(model, request)
        except AWSError:
            params = {}
        self._record_error(error, Call(model.name, params, account_id or self.account_id, region, self.now()))
        return error

    # --- answers

    def _operate(self, model: OperationModel, request: WireRequest, region: str, account_id: str) -> Answer | None:
        key = region, account_id, request.body
        with self._lock:
            now = self.now()
            answer = self._find_answer(model, key, now)
            if answer is None:
                answer = self._make_answer(model, request, region, account_id, now)
                if answer is None:
                    return None
                self._cache.put(model, key, answer)
            params = copy_values(answer.params)
            self._record(Call(model.name, params, account_id, region, now, None, answer.values, answer.in_utc))
        return Answer(model, answer, now)

    def _find_answer(self, model: OperationModel, key: Key, now: dt.datetime) -> CachedAnswer | None:
        """Return the answer that the same call got before, if no record of its account and region has changed since."""
        answer = self._cache.find(model, key)
        if answer is None or answer.backend is None:
            return None
        return answer if answer.backend.as_of(now).version == answer.version else None

    def _make_answer(
        self, model: OperationModel, request: WireRequest, region: str, account_id: str, now: dt.datetime
    ) -> CachedAnswer | None:
        params: Values = {}
        try:
            params = read_request(model, request)
            if not _is_ours(params):
                return None
            _validate(model, params, now)
            backend = self.backend(region, account_id).as_of(now)
            if self.on_change is None or not changes(model.name):
                values = operate(backend, model.name, params, now)
            else:
                scope = {"region": region, "account": account_id}
                with self.change(call=model.name, at=now.isoformat(), **scope, body=encode(params).decode()):
                    values = operate(backend, model.name, params, now)
        except AWSError as error:
            self._record_error(error, Call(model.name, copy_values(params), account_id, region, now))
            raise
        return CachedAnswer(model, params, values, backend)

    def _invoke(
        self, model: OperationModel, request: WireRequest, region: str, account_id: str, *, asynchronous: bool
    ) -> Steps[Answer]:
        params: Values = {}
        invoked = Invoked()
        now = self.now()
        try:
            params = read_request(model, request)
            _validate(model, params, now)
            with self._lock:
                route = self.backend(region, account_id).as_of(now).route(params)
            arn = f"arn:{partition(region)}:logs:{region}:{account_id}:log-group:/aws/sagemaker/Endpoints"
            log_group = f"{arn}/{params['EndpointName']}"
            invoked = yield from self.runtime.invoke(route, params, now, self.now, log_group, asynchronous=asynchronous)
            if invoked.error is not None:
                raise invoked.error
        except AWSError as error:
            self._record_error(error, Call(model.name, params, account_id, region, now), invoked.shadow_error)
            warn_of(invoked.shadow_error)
            raise
        answer = CachedAnswer(model, params, invoked.values or {})
        response = invoked.values, answer.in_utc, _recorded(invoked.shadow_error)
        self._record(Call(model.name, params, account_id, region, now, None, *response))
        warn_of(invoked.shadow_error)
        return Answer(model, answer, now)

    def _record_error(self, error: Exception, call: Call, shadow_error: AWSError | None = None) -> None:
        """Record a call that its caller gets an error for."""
        if isinstance(error, AWSError):
            error.at = call.at
        self._record(replace(call, _error=RecordedError(error), _shadow_error=_recorded(shadow_error)))

    def _record(self, call: Call) -> None:
        with self._lock:
            self.calls.append(call)
            if isinstance(self.clock, MockClock) and self.clock.auto_advance:
                with suppress(ValueError, RuntimeError):  # The call is answered. A clock that cannot move stays.
                    self.clock.advance(self.clock.auto_advance)
                if not _in_event_loop():  # Else another task may act.
                    self.watch.time_passed(self)

    def recorded(self) -> tuple[Call, ...]:
        """Return the recorded calls, oldest first."""
        with self._lock:
            return tuple(self.calls)

    # --- time and state

    def now(self) -> dt.datetime:
        """Return the present instant (UTC) in whole milliseconds, as SageMaker keeps it.

        Time never goes back. If the clock does, the service waits at its latest instant until the clock has caught up.
        """
        if self._shown is not None:
            return self._shown
        now = whole_milliseconds(read(self.clock))
        with self._lock:
            self._latest = now if self._latest is None else max(self._latest, now)
            return self._latest

    def leave(self) -> None:
        """Keep the present instant for `as_left`."""
        if self._latest is None:
            return  # Nothing happened, so there is nothing to show.
        with suppress(Exception):  # A user's clock may raise: then the mock goes on without an instant.
            self._left = self.now()

    @contextmanager
    def as_left(self) -> Iterator[None]:
        """Show the state at the moment at which the mock was left; the present state of an active mock.

        Later the clock may tell another time, for example when the test stops freezegun.
        """
        with self._lock:
            self._shown = self._left
            try:
                yield
            finally:
                self._shown = None

    @property
    def handlers(self) -> Mapping[str, object]:
        """The handlers of models, by name of the model."""
        return self.runtime.handlers

    def settled_state(self) -> object:
        """Return what answers depend on, for comparison; None when something lies ahead that may change it."""
        with self._lock:
            backends = self._backends.values()
            if self.faults.are_waiting or not all(backend.is_settled for backend in backends):
                return None
            return tuple(backend.version for backend in backends)

    @property
    def latest(self) -> dt.datetime | None:
        """The latest instant that anybody was given."""
        return self._latest

    def backend(self, region: str, account_id: str | None = None) -> SageMakerBackend:
        """Return the backend of an account (by default the mock's) in a region."""
        key = (account_id or self.account_id, region)
        with self._lock:
            if key not in self._backends:
                self._backends[key] = self._new_backend(key)
            return self._backends[key]

    def _new_backend(self, key: tuple[str, str]) -> SageMakerBackend:
        account_id, region = key
        return SageMakerBackend(partition(region), region, account_id, self._settings)

    def scopes(self) -> list[tuple[str, str]]:
        """Return the accounts and regions that have a backend."""
        with self._lock:
            return list(self._backends)

    def change(self, **entry: Any) -> AbstractContextManager[None]:
        """Return the context in which a change must be applied, described as JSON-able values.

        Raises the error of `on_change` when the change cannot be kept: then it must not be applied.
        """
        return nullcontext() if self.on_change is None else self.on_change(entry)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Let no call change anything during the context."""
        with self._lock:
            yield

    @contextmanager
    def view(self, region: str, account_id: str | None = None) -> Iterator[tuple[SageMakerBackend, dt.datetime]]:
        """Give the backend of an account (by default the mock's) and the present instant, while no call is answered.

        A backend that nobody has changed yet is not kept: looks at any number of regions make nothing. An AWSError
        becomes LookupError when a resource is missing, else ValueError.
        """
        key = (account_id or self.account_id, region)
        with self._lock:
            try:
                now = self.now()
                backend = self._backends.get(key) or self._new_backend(key)
                yield backend.as_of(now), now
                if backend.version:
                    self._backends.setdefault(key, backend)
            except AWSError as error:
                kind = LookupError if error.code == "ResourceNotFound" else ValueError
                raise kind(error.message) from None

    def adopt(self, other: Service) -> None:
        """Copy everything that another service has, except its calls."""
        with other._lock:
            self._backends = {key: backend.copy() for key, backend in other._backends.items()}
            self._latest = other._latest
            self.runtime.handlers.update(other.runtime.handlers)
            self.faults.outer = other.faults

    def unused(self) -> list[str]:
        """Return what was arranged and never met: faults, failures, and models that no request has reached."""
        with self._lock:
            if self.faults.expected or self.faults.outer is not None:
                now = self._left or self._latest
                for scope, backend in self._backends.items():
                    for failure in (backend if now is None else backend.as_of(now)).met:
                        self.faults.meet((*scope, *failure))
                for model in self.runtime.invoked:
                    self.faults.meet(("model", model))
        return [*map(str, self.faults.unused()), *self.faults.expected.values()]

    def reset(self) -> None:
        """Forget everything except the handlers of the models."""
        with self._lock, self.change(reset=True):
            self._backends.clear()
            self._cache.clear()
            self.faults.clear()
            self.calls.clear()
            self._latest = None
        self.runtime.reset()


def _in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def _validate(model: OperationModel, params: Values, now: dt.datetime) -> None:
    """Raise one AWSError that names every constraint and rule that a request breaks. No record matters here."""
    broken = [] if model.input_shape is None else list(violations(model.input_shape, params))
    for rule in RULES.get(model.name, ()):
        broken += rule(params, now)
    if broken:  # The runtime has another error code.
        runtime = model.service_model.service_id.hyphenize() == "sagemaker-runtime"
        refuse(broken, "ValidationError" if runtime else None)


def _recorded(error: Exception | None) -> RecordedError | None:
    return None if error is None else RecordedError(error)


def _is_ours(params: Values) -> bool:
    """Return whether the mock has resources of this kind. Tags of other resources are for another mock."""
    arn = params.get("ResourceArn", "").split(":", 5)
    return len(arn) < ARN_PARTS or arn[-1].partition("/")[0] in RESOURCE_TYPES


@lru_cache(maxsize=64)
def partition(region: str) -> str:
    """Return the partition of a region by botocore's own data: aws, aws-cn, aws-us-gov and so on."""
    library = RuleSetStandardLibrary(partitions())
    return str(library.aws_partition(region)["name"])
