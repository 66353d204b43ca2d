"""The service: one call in, one answer or AWS error out. It does no I/O.

A call reads the clock once. It is validated, answered by the backend of its account and region, and recorded: all that
is one whole change. Only an invocation may take more time: its models run between two changes, and if they are
interrupted, the first one is taken back. A delay that a test arranged is a change by itself: time stays passed.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from logging import DEBUG
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from mock_sagemaker_ie.backend.operations import OPERATIONS, RESOURCE_TYPES, RULES, changes, operate
from mock_sagemaker_ie.backend.pages import shorten
from mock_sagemaker_ie.calls import INVOCATIONS, INVOKE_STREAM, Call, RecordedError
from mock_sagemaker_ie.clock import MockClock
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.permissions import assumed_role
from mock_sagemaker_ie.protocol.validation import refuse, violations
from mock_sagemaker_ie.protocol.wire import copy_values, encode, encode_answer, read_request
from mock_sagemaker_ie.service import permissions
from mock_sagemaker_ie.service.answer_cache import AnswerCache, CachedAnswer, Key
from mock_sagemaker_ie.service.call_log import log, write_line
from mock_sagemaker_ie.service.clients import partition
from mock_sagemaker_ie.service.faults import BrokenConnection
from mock_sagemaker_ie.service.invocation import Clocks, Invoked, warn_of
from mock_sagemaker_ie.service.polling import PollingWatch
from mock_sagemaker_ie.service.script import request as request_of
from mock_sagemaker_ie.service.state import State
from mock_sagemaker_ie.service.steps import run
from mock_sagemaker_ie.service.streams import StreamReader

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from botocore.model import OperationModel

    from mock_sagemaker_ie.backend.backend import SageMakerBackend
    from mock_sagemaker_ie.backend.hosting.traffic import Route
    from mock_sagemaker_ie.backend.settings import Settings
    from mock_sagemaker_ie.clock import Clock
    from mock_sagemaker_ie.protocol.wire import WireRequest
    from mock_sagemaker_ie.service.faults import ReadTimeout
    from mock_sagemaker_ie.service.invocation import Runtime
    from mock_sagemaker_ie.service.script import Plan, Script
    from mock_sagemaker_ie.service.steps import Steps

Values = dict[str, Any]
T = TypeVar("T")

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
    def stream(self) -> StreamReader | None:
        """The body, when it is a stream."""
        body = self.answer.values.get("Body")
        return body if isinstance(body, StreamReader) else None

    @property
    def wire(self) -> tuple[bytes, dict[str, str]]:
        """The encoded body, and the headers that describe it."""
        return encode_answer(self.model, self.answer.values)


class Service(State):
    """The part of SageMaker that the mock answers, for every account and region. Many threads may call it."""

    def __init__(
        self,
        clock: Clock,
        settings: Settings,
        account_id: str,
        runtime: Runtime,
        keep: int | None = None,
        *,
        plan: Plan | None = None,
    ) -> None:
        super().__init__(clock, settings, account_id, runtime, keep, plan=plan)
        self.denied: tuple[str, ...] = ()  # Patterns of the actions that no caller may do.
        self._cache = AnswerCache()
        self.watch = PollingWatch()

    def answer(
        self, model: OperationModel, request: WireRequest, *, region: str, account_id: str | None = None
    ) -> Answer | None:
        """Answer a synchronous call of `model`. Return None when the mock does not have the operation or its resource.

        Raises AWSError when the service refuses the call, HandlerError when the handler of a model is wrong, and the
        error that a test arranged in place of the answer: an AWSError or a BrokenConnection.
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
        call = model, request, region, account_id
        outcome: Answer | Exception | None
        if model.name in INVOCATIONS:
            outcome = yield from self._invoke(*call, asynchronous=asynchronous)
        elif model.name in OPERATIONS:
            outcome = self._changes.whole(partial(self._answer_and_record, *call))
        else:
            return None
        self._log(call, outcome)
        self.publish()
        return _raise_error(outcome)

    # --- faults

    def delay(self, operation: str) -> None:
        """Move the clock by the delay that was arranged for this call, if there is one."""
        self.faults.wait(self.clock, operation)

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
        arranged = self.faults.next_error(model.name)
        waits = None if read_timeout is None or arranged else read_timeout.seconds
        is_late = self.faults.wait(self.clock, model.name, waits)
        timeout = read_timeout.error if is_late and read_timeout is not None else None
        if timeout is None and (arranged is None or arranged.after):
            return None
        try:
            params = read_request(model, request)
        except AWSError:
            params = {}
        account_id = account_id or self.account_id
        call = partial(Call, model.name, params, account_id, region)
        self._let_others_act(model, request, region, account_id)
        error = self._changes.whole(partial(self._record_fault, model.name, call, timeout))
        return self._log((model, request, region, account_id), error)

    def _record_fault(
        self, operation: str, call: Callable[[dt.datetime], Call], error: Exception | None
    ) -> Exception | None:
        if error is None:
            error = self.faults.take_error(operation)
        if error is not None:  # Another thread may have taken it.
            now = self._read_now()
            self._record(replace(call(now), _error=_recorded(error, now), arranged=True))
        return error

    def _outcome(self, call: Call, outcome: T) -> T | Exception:
        """Record a call on which the service has acted, and return what its caller gets: `outcome` or a fault."""
        if isinstance(outcome, AWSError):
            call = replace(call, _error=_recorded(outcome, call.at))
        lost = self.faults.take_error(call.operation, after=True)
        if lost is not None:
            call = replace(call, _lost=_recorded(lost, call.at))
        self._record(call)
        return outcome if lost is None else lost

    # --- scenarios

    def _let_others_act(self, model: OperationModel, request: WireRequest, region: str, account_id: str) -> None:
        """Make the calls of others that the scenario has before this one, if the service can read it."""
        if self._script is not None and self._script.acts(model.name):
            self._changes.whole(partial(self._act, self._script, model, request, region, account_id))

    def _act(self, script: Script, model: OperationModel, request: WireRequest, region: str, account_id: str) -> None:
        """Make calls of others. One that is refused changes nothing."""
        now = self._read_now()
        acts = script.acts(model.name)
        script.note_acts(model.name)
        for act in acts:
            backend = self._backend(region, account_id).as_of(now)
            mark = self._changes.mark
            try:
                params = read_request(model, request)
                _validate(model, params, now)
                if (others := request_of(act, backend, params)) is not None:
                    self._operate(backend, act.operation, others, now)
            except AWSError:
                self._changes.undo_to(mark)

    def _operate(self, backend: SageMakerBackend, operation: str, params: Values, now: dt.datetime) -> Values:
        """Let a backend answer a call, and note the change that it makes."""
        if self.on_change is None or not changes(operation):
            return operate(backend, operation, params, now)
        account_id, region = backend.scope
        scope = {"region": region, "account": account_id}
        with self.change(call=operation, at=now.isoformat(), **scope, body=encode(params).decode()):
            return operate(backend, operation, params, now)

    # --- answers

    def _answer_and_record(
        self, model: OperationModel, request: WireRequest, region: str, account_id: str
    ) -> Answer | Exception | None:
        size = None
        if self._script is not None:
            self._let_others_act(model, request, region, account_id)
            size = self._script.page_size(model.name)
        key = region, account_id, request.body
        now = self._read_now()
        answer = self._find_answer(model, key, now) if size is None else None
        if answer is None:
            made = self._make_answer(model, request, region, account_id, now, size=size)
            if not isinstance(made, CachedAnswer):
                return made
            answer = made
            if size is None:
                self._cache.put(model, key, answer)
        params = copy_values(answer.params)
        call = Call(model.name, params, account_id, region, now, None, answer.values, answer.in_utc)
        return self._outcome(call, Answer(model, answer, now))

    def _find_answer(self, model: OperationModel, key: Key, now: dt.datetime) -> CachedAnswer | None:
        """Return the answer that the same call got before, if no record of its account and region has changed since."""
        answer = self._cache.find(model, key)
        if answer is None or answer.backend is None:
            return None
        return answer if answer.backend.as_of(now).version == answer.version else None

    def _make_answer(
        self,
        model: OperationModel,
        request: WireRequest,
        region: str,
        account_id: str,
        now: dt.datetime,
        *,
        size: int | None,
    ) -> CachedAnswer | Exception | None:
        """Answer a call. An error changes nothing, and is recorded. `size`: the maximum size of a page."""
        params: Values = {}
        mark = self._changes.mark
        try:
            params = read_request(model, request)
            if not _is_ours(params):
                return None
            self._authorize(model, params, region, account_id)
            _validate(model, params, now)
            backend = self._backend(region, account_id).as_of(now)
            mark = self._changes.mark
            values = self._operate(backend, model.name, params if size is None else shorten(params, size), now)
        except AWSError as error:
            self._changes.undo_to(mark)
            return self._outcome(Call(model.name, copy_values(params), account_id, region, now), error)
        return CachedAnswer(model, params, values, backend)

    def _invoke(
        self, model: OperationModel, request: WireRequest, region: str, account_id: str, *, asynchronous: bool
    ) -> Steps[Answer | Exception]:
        params: Values = {}
        invoked, error = Invoked(), None
        now = self.now()
        routing: list[Callable[[], object]] = []  # What takes back that the request was routed.
        try:
            try:
                params = read_request(model, request)
                self._authorize(model, params, region, account_id)
                _validate(model, params, now)
                self._let_others_act(model, request, region, account_id)
                route = self._changes.whole(partial(self._route, routing, params, region, account_id, now))
                arn = f"arn:{partition(region)}:logs:{region}:{account_id}:log-group:/aws/sagemaker/Endpoints"
                log_group = f"{arn}/{params['EndpointName']}"
                if isinstance(route, AWSError):
                    error = route
                else:
                    invoked = yield from self.runtime.invoke(
                        route,
                        params,
                        now,
                        Clocks(self.now, self.clock.now),
                        log_group,
                        asynchronous=asynchronous,
                        streaming=model.name == INVOKE_STREAM,
                    )
                    error = invoked.error
            except AWSError as refused:
                error = refused.with_traceback(None)  # Its frames have this variable.
            answer = CachedAnswer(model, params, invoked.values or {})
            call = Call(model.name, params, account_id, region, now)
            outcome = Answer(model, answer, now) if error is None else error
            if invoked.stream is not None:
                values = {**answer.values, "Body": invoked.stream}  # The reader is for the caller alone.
                call = replace(call, _values=values, _read=_with_sent, _error=invoked.stream)
            elif error is None:
                call = replace(call, _values=invoked.values, _read=answer.in_utc)
            received = self._changes.whole(partial(self._keep, routing, invoked, outcome, call))
        except BaseException:
            self._changes.whole(partial(_take_back, routing))
            raise
        # These may raise, where warnings are errors. By now everything is counted and recorded.
        self.runtime.deliver(invoked)
        warn_of(invoked.shadow_error)
        return received

    def _authorize(self, model: OperationModel, params: Values, region: str, account_id: str) -> None:
        """Raise AWSError (AccessDeniedException) when the call needs a denied action. That comes before validation."""
        if self.denied:
            prefix = arn_prefix(region, account_id)
            caller = assumed_role(f"arn:{partition(region)}:iam::{account_id}:role/caller", "mock-sagemaker-ie")
            permissions.require(self.denied, permissions.needed(model.name, params, prefix), caller)

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

    def _keep(
        self, routing: list[Callable[[], object]], invoked: Invoked, outcome: Answer | AWSError, call: Call
    ) -> Answer | Exception:
        self.runtime.keep(invoked)
        if invoked.shadow_error is not None:
            call = replace(call, _shadow_error=_recorded(invoked.shadow_error, call.at))
        received = self._outcome(call, outcome)
        # The last step, so that the routing is taken back exactly when all this is undone.
        self._changes.note(partial(routing.extend, list(routing)))
        routing.clear()
        return received

    def _record(self, call: Call) -> None:
        if self._script is not None:
            self._script.count(call.operation)
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

    def _log(self, call: tuple[OperationModel, WireRequest, str, str], outcome: T) -> T:
        """Write the line of a call that happened, and return its outcome. A replay, inside a change, has no lines."""
        if log.isEnabledFor(DEBUG) and outcome is not None and not self._changes.is_under_way:
            write_line(call, outcome, self._latest)
        return outcome

    def _reset(self) -> None:
        self._cache.clear()
        super()._reset()


def _raise_error(outcome: T | Exception) -> T:
    """Return an outcome, or raise it when it is an error."""
    if not isinstance(outcome, Exception):
        return outcome
    try:
        raise outcome if isinstance(outcome, AWSError) else BrokenConnection(outcome)
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


def _with_sent(values: Values) -> Values:
    """Return the members of an answer that streams, with the part of its body that the caller has read."""
    return {**values, "Body": values["Body"].sent}


def _recorded(error: Exception, at: dt.datetime) -> RecordedError:
    if isinstance(error, AWSError):
        error.at = at
    return RecordedError(error)


def _is_ours(params: Values) -> bool:
    """Return whether the mock has resources of this kind. Tags of other resources are for another mock."""
    arn = params.get("ResourceArn", "").split(":", 5)
    return len(arn) < ARN_PARTS or arn[-1].partition("/")[0] in RESOURCE_TYPES


def arn_prefix(region: str, account_id: str) -> str:
    """Return the beginning of the ARNs of SageMaker's resources in a region and an account."""
    return f"arn:{partition(region)}:sagemaker:{region}:{account_id}"
