"""The service: one call in, one answer or AWS error out. It does no I/O.

A call reads the clock once. It is validated, answered by the backend of its account and region, and recorded: all that
is one whole change. Only an invocation may take more time: its models run between two changes, and if they are
interrupted, the first one is taken back. A delay that a test arranged is a change by itself: time stays passed.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections import deque
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar, copy_context
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from botocore.endpoint_provider import RuleSetStandardLibrary

from mock_sagemaker_ie.backend.backend import SageMakerBackend
from mock_sagemaker_ie.backend.operations import OPERATIONS, RESOURCE_TYPES, RULES, changes, operate
from mock_sagemaker_ie.calls import INVOKE_ENDPOINT, Call, RecordedError
from mock_sagemaker_ie.clock import MockClock, movable, read
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

    from mock_sagemaker_ie.backend.hosting.events import Notice
    from mock_sagemaker_ie.backend.hosting.traffic import Route
    from mock_sagemaker_ie.backend.settings import Settings
    from mock_sagemaker_ie.clock import Clock
    from mock_sagemaker_ie.protocol.wire import WireRequest
    from mock_sagemaker_ie.service.alarm_reader import AlarmReader
    from mock_sagemaker_ie.service.event_publisher import EventPublisher
    from mock_sagemaker_ie.service.faults import ReadTimeout
    from mock_sagemaker_ie.service.invocation import Runtime
    from mock_sagemaker_ie.service.models import AsyncHandler, Handler
    from mock_sagemaker_ie.service.steps import Steps

Values = dict[str, Any]
T = TypeVar("T")

ARN_PARTS = 6

# A service, and the instant as of which it is shown in this context.
_shown: ContextVar[tuple[Service, dt.datetime | None] | None] = ContextVar("_shown", default=None)


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
        self._changes = runtime.changes
        self.faults = Faults(self._changes)
        # Gets each change of the state before it is applied, and is told by its context whether it was.
        self.on_change: Callable[[Values], AbstractContextManager[None]] | None = None
        self.alarm_reader: AlarmReader | None = None
        self.publisher: EventPublisher | None = None
        self._notices: deque[Notice] = deque(maxlen=keep)
        self._settings = settings
        self._latest: dt.datetime | None = None
        self._left: dt.datetime | None = None  # The instant at which the mock was left.
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
        if self.alarm_reader is not None:
            self._read_alarms(self.alarm_reader, region, account_id, self.alarm_reader.read_of(model, request))
        outcome: Answer | AWSError | None
        if model.name == INVOKE_ENDPOINT:
            outcome = yield from self._invoke(model, request, region, account_id, asynchronous=asynchronous)
        elif model.name in OPERATIONS:
            outcome = self._changes.whole(partial(self._answer_and_record, model, request, region, account_id))
        else:
            return None
        self.publish()
        return _raise_error(outcome)

    # --- faults

    def delay(self, operation: str) -> None:
        """Move the clock by the delay that was arranged for this call or attempt, if there is one."""
        self._delay(operation)

    def _delay(self, operation: str, read_timeout: float | None = None) -> bool:
        """Move the clock by the next delay, at most by the seconds that the caller waits; return if it is longer."""
        if not self.faults.has_delay(operation):
            return False
        delay, is_late, error = self._changes.whole(partial(self._take_delay, operation, read_timeout))
        if error is not None:
            raise error
        if not isinstance(self.clock, MockClock) and delay is not None:  # Nobody knows what other clocks do.
            movable(self.clock, "sleep")(delay.total_seconds())
        return is_late

    def _take_delay(
        self, operation: str, read_timeout: float | None
    ) -> tuple[dt.timedelta | None, bool, Exception | None]:
        delay = self.faults.take_delay(operation)
        is_late = read_timeout is not None and is_longer(delay, read_timeout)
        if is_late and read_timeout is not None:
            delay = dt.timedelta(seconds=read_timeout)
        if isinstance(self.clock, MockClock) and delay is not None:
            self._changes.note(self.clock.undoing(delay))
            try:
                self.clock.sleep(delay.total_seconds())
            except (ValueError, RuntimeError) as error:  # The next call need not fail because of this delay too.
                return delay, is_late, error
        return delay, is_late, None

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
        waits = None if read_timeout is None or self.faults.next_error(model.name) is not None else read_timeout.seconds
        is_late = self._delay(model.name, waits)
        timeout = read_timeout.error if is_late and read_timeout is not None else None
        if timeout is None and self.faults.next_error(model.name) is None:
            return None
        try:
            params = read_request(model, request)
        except AWSError:
            params = {}
        call = partial(Call, model.name, params, account_id or self.account_id, region)
        return self._changes.whole(partial(self._record_fault, model.name, call, timeout))

    def _record_fault(
        self, operation: str, call: Callable[[dt.datetime], Call], error: Exception | None
    ) -> Exception | None:
        if error is None:
            error = self.faults.take_error(operation)
        if error is not None:  # Another thread may have taken it.
            self._record_error(error, call(self._read_now()))
        return error

    # --- answers

    def _answer_and_record(
        self, model: OperationModel, request: WireRequest, region: str, account_id: str
    ) -> Answer | AWSError | None:
        key = region, account_id, request.body
        now = self._read_now()
        answer = self._find_answer(model, key, now)
        if answer is None:
            made = self._make_answer(model, request, region, account_id, now)
            if not isinstance(made, CachedAnswer):
                return made
            answer = made
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
    ) -> CachedAnswer | AWSError | None:
        """Answer a call. An error changes nothing, and is recorded."""
        params: Values = {}
        mark = self._changes.mark
        try:
            params = read_request(model, request)
            if not _is_ours(params):
                return None
            _validate(model, params, now)
            backend = self._backend(region, account_id).as_of(now)
            mark = self._changes.mark
            if self.on_change is None or not changes(model.name):
                values = operate(backend, model.name, params, now)
            else:
                scope = {"region": region, "account": account_id}
                with self.change(call=model.name, at=now.isoformat(), **scope, body=encode(params).decode()):
                    values = operate(backend, model.name, params, now)
        except AWSError as error:
            self._changes.undo_to(mark)
            self._record_error(error, Call(model.name, copy_values(params), account_id, region, now))
            return error
        return CachedAnswer(model, params, values, backend)

    def _invoke(
        self, model: OperationModel, request: WireRequest, region: str, account_id: str, *, asynchronous: bool
    ) -> Steps[Answer | AWSError]:
        params: Values = {}
        invoked, error = Invoked(), None
        now = self.now()
        routing: list[Callable[[], object]] = []  # What takes back that the request was routed.
        try:
            try:
                params = read_request(model, request)
                _validate(model, params, now)
                route = self._changes.whole(partial(self._route, routing, params, region, account_id, now))
                arn = f"arn:{partition(region)}:logs:{region}:{account_id}:log-group:/aws/sagemaker/Endpoints"
                log_group = f"{arn}/{params['EndpointName']}"
                if isinstance(route, AWSError):
                    error = route
                else:
                    invoked = yield from self.runtime.invoke(
                        route, params, now, self.now, log_group, asynchronous=asynchronous
                    )
                    error = invoked.error
            except AWSError as refused:
                error = refused.with_traceback(None)  # Its frames have this variable.
            answer = CachedAnswer(model, params, invoked.values or {})
            call = Call(model.name, params, account_id, region, now)
            if error is None:
                call = replace(call, _values=invoked.values, _read=answer.in_utc)
            self._changes.whole(partial(self._keep, routing, invoked, error, call))
        except BaseException:
            self._changes.whole(partial(_take_back, routing))
            raise
        # These may raise, where warnings are errors. By now everything is counted and recorded.
        self.runtime.deliver(invoked)
        warn_of(invoked.shadow_error)
        return Answer(model, answer, now) if error is None else error

    def _route(
        self, routing: list[Callable[[], object]], params: Values, region: str, account_id: str, now: dt.datetime
    ) -> Route | AWSError:
        backend = self._backend(region, account_id).as_of(now)
        mark = self._changes.mark
        try:
            route = backend.route(params)
        except AWSError as error:
            self._changes.undo_to(mark)
            return error
        routing += self._changes.steps(mark)
        return route

    def _keep(self, routing: list[Callable[[], object]], invoked: Invoked, error: AWSError | None, call: Call) -> None:
        self.runtime.keep(invoked)
        self._record_error(error, call, invoked.shadow_error)
        # The last step, so that the routing is taken back exactly when all this is undone.
        self._changes.note(partial(routing.extend, list(routing)))
        routing.clear()

    def _record_error(self, error: Exception | None, call: Call, shadow_error: AWSError | None = None) -> None:
        """Record a call with the error that its caller gets, if any, and that of the shadow."""
        if isinstance(error, AWSError):
            error.at = call.at
        self._record(replace(call, _error=_recorded(error), _shadow_error=_recorded(shadow_error)))

    def _record(self, call: Call) -> None:
        clock = self.clock
        moves = isinstance(clock, MockClock) and bool(clock.auto_advance)
        if moves or self._changes.mark:
            self._changes.append(self.calls, call)
        else:
            self.calls.append(call)  # By this one step the call has happened: most calls are looks.
        if moves and isinstance(clock, MockClock):
            self._changes.note(clock.undoing(clock.auto_advance))
            with suppress(ValueError, RuntimeError):  # The call is answered. A clock that cannot move stays.
                clock.advance(clock.auto_advance)
            if not _in_event_loop():  # Else another task may act.
                self.watch.time_passed(self)

    def recorded(self) -> tuple[Call, ...]:
        """Return the recorded calls, oldest first."""
        return self._changes.whole(lambda: tuple(self.calls))

    # --- time and state

    def now(self) -> dt.datetime:
        """Return the present instant (UTC) in whole milliseconds, as SageMaker keeps it.

        Time never goes back. If the clock does, the service waits at its latest instant until the clock has caught up.
        """
        return self._changes.whole(self._read_now)

    def _read_now(self) -> dt.datetime:
        shown = _shown.get()
        if shown is not None and shown[0] is self and shown[1] is not None:
            return shown[1]
        now = whole_milliseconds(read(self.clock))
        if self._latest is None or now > self._latest:
            self._latest = now
        return self._latest

    def leave(self) -> None:
        """Keep the present instant for `as_left`."""
        if self._latest is None:
            return  # Nothing happened, so there is nothing to show.
        with suppress(Exception):  # A user's clock may raise: then the mock goes on without an instant.
            self._left = self.now()

    def as_left(self, function: Callable[[], T]) -> T:
        """Call `function` as of the moment at which the mock was left; as of now for an active mock.

        Later the clock may tell another time, for example when the test stops freezegun.
        """
        return copy_context().run(self._as_left, function)

    def _as_left(self, function: Callable[[], T]) -> T:
        _shown.set((self, self._left))
        return function()

    @property
    def handlers(self) -> Mapping[str, object]:
        """The handlers of models, by name of the model."""
        return self.runtime.handlers

    def settled_state(self) -> object:
        """Return what answers depend on, for comparison; None when something lies ahead that may change it."""
        return self._changes.whole(self._settled_state)

    def _settled_state(self) -> object:
        backends = self._backends.values()
        if not all(backend.is_settled for backend in backends):
            return None
        return [backend.version for backend in backends], self.faults.waiting

    @property
    def latest(self) -> dt.datetime | None:
        """The latest instant that anybody was given."""
        return self._latest

    def backend(self, region: str, account_id: str | None = None) -> SageMakerBackend:
        """Return the backend of an account (by default the mock's) in a region."""
        return self._changes.whole(partial(self._backend, region, account_id))

    def _backend(self, region: str, account_id: str | None) -> SageMakerBackend:
        key = (account_id or self.account_id, region)
        if key not in self._backends:
            self._changes.update(self._backends, {key: self._new_backend(key)})
        return self._backends[key]

    def _new_backend(self, key: tuple[str, str]) -> SageMakerBackend:
        account_id, region = key
        scope, metrics = (partition(region), region, account_id), self.runtime._metrics
        backend = SageMakerBackend(*scope, self._settings, self._changes, metrics=metrics)
        backend.hosting.notify = self._notify
        return backend

    def scopes(self) -> list[tuple[str, str]]:
        """Return the accounts and regions that have a backend."""
        return self._changes.whole(lambda: list(self._backends))

    def change(self, **entry: Any) -> AbstractContextManager[None]:
        """Return the context in which a change must be applied, described as JSON-able values.

        Raises the error of `on_change` when the change cannot be kept: then it must not be applied.
        """
        return nullcontext() if self.on_change is None else self.on_change(entry)

    def look(
        self,
        function: Callable[[SageMakerBackend, dt.datetime], T],
        region: str,
        account_id: str | None = None,
    ) -> T:
        """Call `function` with the backend of an account (by default the mock's) and the present instant.

        No call is answered meanwhile. What the function changes is one whole change. A backend that nobody has changed
        yet is not kept: looks at any number of regions make nothing. An AWSError becomes LookupError when a resource is
        missing, else ValueError.
        """
        if self.alarm_reader is not None:
            self._read_alarms(self.alarm_reader, region, account_id or self.account_id, {})
        result = self._changes.whole(partial(self._look, function, region, account_id))
        self.publish()
        return result

    def _read_alarms(self, reader: AlarmReader, region: str, account_id: str, named: Values) -> None:
        """Read the alarms that deployments watch, besides those that a request has `named`, before time passes."""
        if self._left is not None:
            return  # The user's client may be without its mock too.
        backend = self._backends.get((account_id, region))
        watched = set() if backend is None else backend.hosting.alarms.watched - named.keys()
        if watched or named:
            described = {**named, **(reader.read(watched) if watched else {})}
            self._changes.whole(partial(self._note_alarms, region, account_id, described))

    def _note_alarms(self, region: str, account_id: str, described: Values) -> None:
        since = self._latest
        now = self._read_now()
        self._backend(region, account_id).note_alarms(described, since or now, now)

    # --- events

    def events(self) -> list[Values]:
        """Return the events until now of every account and region, in the order of their instants."""
        self._pass_time()
        self.publish()
        return [notice.event for notice in sorted(self._notices, key=lambda notice: notice.at)]

    def publish(self) -> None:
        """Deliver the events until now of every account and region."""
        if self.publisher is not None and self._left is None:
            self._pass_time()
            self.publisher.publish()

    def _pass_time(self) -> None:
        """Let time pass in every account and region."""
        if self.alarm_reader is not None:
            for account_id, region in self.scopes():
                self._read_alarms(self.alarm_reader, region, account_id, {})
        self._changes.whole(self._pass_time_now)

    def _pass_time_now(self) -> None:
        now = self._read_now()
        for backend in list(self._backends.values()):
            backend.as_of(now)

    def _notify(self, notice: Notice) -> None:
        self._changes.append(self._notices, notice)
        if self.publisher is not None:
            self.publisher.add(notice)

    def _look(self, function: Callable[[SageMakerBackend, dt.datetime], T], region: str, account_id: str | None) -> T:
        try:
            now = self._read_now()
            key = (account_id or self.account_id, region)
            backend = self._backends.get(key) or self._new_backend(key)
            result = function(backend.as_of(now), now)
        except AWSError as error:
            kind = LookupError if error.code == "ResourceNotFound" else ValueError
            raise kind(error.message) from None
        if backend.version and key not in self._backends:
            self._changes.update(self._backends, {key: backend})
        return result

    def pause(self) -> AbstractContextManager[None]:
        """Let no call change anything during the context, whose changes are one whole change. For a server."""
        return self._changes.pause()

    @contextmanager
    def view(self, region: str, account_id: str | None = None) -> Iterator[tuple[SageMakerBackend, dt.datetime]]:
        """Give the backend and the present instant, as `look` does, during a context. For a server."""
        with self.pause():
            yield self._look(lambda backend, now: (backend, now), region, account_id)

    def serve(self, model: str, handler: Handler | AsyncHandler) -> None:
        """Let a handler answer for a model."""
        self._changes.whole(partial(self._serve, model, handler))

    def _serve(self, model: str, handler: Handler | AsyncHandler) -> None:
        self.runtime.serve(model, handler)
        self.faults.expect(("model", model), f"a request to the served model {model!r}")

    def adopt(self, other: Service) -> None:
        """Copy everything that another service has, except its calls."""
        other._changes.whole(partial(self._adopt, other))

    def _adopt(self, other: Service) -> None:
        metrics = self.runtime._metrics
        self._backends = {key: backend.copy(self._changes, metrics) for key, backend in other._backends.items()}
        for backend in self._backends.values():
            backend.hosting.notify = self._notify
        self._latest = other._latest
        self._notices.extend(other._notices)
        self.runtime.handlers.update(other.runtime.handlers)
        self.faults.outer = other.faults

    def unused(self) -> list[str]:
        """Return what was arranged and never met: faults, failures, and models that no request has reached."""
        return self._changes.whole(self._unused)

    def _unused(self) -> list[str]:
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
        self._changes.whole(self._reset)

    def _reset(self) -> None:
        with self.change(reset=True):
            self._cache.clear()
            keep = self.calls.maxlen
            empty: dict[str, Any] = {"_backends": {}, "calls": deque(maxlen=keep), "_notices": deque(maxlen=keep)}
            self._changes.assign(self, _latest=None, **empty)
            if self.publisher is not None:
                self.publisher.reset()
            self.faults.clear()
            self.runtime.reset()


def _raise_error(outcome: T | AWSError) -> T:
    """Return an outcome, or raise it when it is an error."""
    if not isinstance(outcome, AWSError):
        return outcome
    try:
        raise outcome
    finally:
        del outcome  # An error has its frames, which would have the error.


def _take_back(routing: list[Callable[[], object]]) -> None:
    """Take back that a request was routed, unless another request has been routed since."""
    for step in reversed(routing):
        step()


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
