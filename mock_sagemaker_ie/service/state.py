"""The state of the service: what calls have left, in every account and region, and the instant as of which it is shown.

No call is answered here: service.py does that.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mock_sagemaker_ie.backend.backend import SageMakerBackend
from mock_sagemaker_ie.clock import read
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.wire import whole_milliseconds
from mock_sagemaker_ie.service.clients import partition
from mock_sagemaker_ie.service.faults import Faults
from mock_sagemaker_ie.service.script import Script

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from mock_sagemaker_ie.backend.hosting.events import Notice
    from mock_sagemaker_ie.backend.settings import Settings
    from mock_sagemaker_ie.calls import Call
    from mock_sagemaker_ie.clock import Clock
    from mock_sagemaker_ie.service.alarm_reader import AlarmReader
    from mock_sagemaker_ie.service.event_publisher import EventPublisher
    from mock_sagemaker_ie.service.invocation import Runtime
    from mock_sagemaker_ie.service.models import AsyncHandler, Handler
    from mock_sagemaker_ie.service.script import Plan

Values = dict[str, Any]
T = TypeVar("T")

# A state, and the instant as of which it is shown in this context.
_shown: ContextVar[tuple[State, dt.datetime | None] | None] = ContextVar("_shown", default=None)


class State:
    """The state of a service, for every account and region. Many threads may use it."""

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
        self.clock = clock
        self.account_id = account_id
        self.runtime = runtime
        self.calls: deque[Call] = deque(maxlen=keep)
        self._changes = runtime.changes
        self.faults = Faults(self._changes)
        self._plan = plan
        self._script = self._new_script()
        # Gets each change of the state before it is applied, and is told by its context whether it was.
        self.on_change: Callable[[Values], AbstractContextManager[None]] | None = None
        self.alarm_reader: AlarmReader | None = None
        self.publisher: EventPublisher | None = None
        self.notices: deque[Notice] = deque(maxlen=keep)  # The events, in the order in which they were noticed.
        self._settings = settings
        self._latest: dt.datetime | None = None
        self._left: dt.datetime | None = None  # The instant at which the mock was left.
        self._backends: dict[tuple[str, str], SageMakerBackend] = {}

    def recorded(self) -> tuple[Call, ...]:
        """Return the recorded calls, oldest first."""
        return self._changes.whole(lambda: tuple(self.calls))

    # --- time

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

    # --- what there is

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

    # --- alarms and events

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

    def events(self) -> list[Notice]:
        """Return the events until now of every account and region, in the order of their instants."""
        self._pass_time()
        self.publish()
        return sorted(self.notices, key=lambda notice: notice.at)

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
        self._changes.append(self.notices, notice)
        if self.publisher is not None:
            self.publisher.add(notice)

    # --- changes by the test

    def serve(self, model: str, handler: Handler | AsyncHandler) -> None:
        """Let a handler answer for a model."""
        self._changes.whole(partial(self._serve, model, handler))

    def _serve(self, model: str, handler: Handler | AsyncHandler) -> None:
        self.runtime.serve(model, handler)
        self.faults.expect(("model", model), f"a request to the served model {model!r}")

    def adopt(self, other: State) -> None:
        """Copy everything that another service has, except its calls."""
        other._changes.whole(partial(self._adopt, other))

    def _adopt(self, other: State) -> None:
        metrics = self.runtime._metrics
        self._backends = {key: backend.copy(self._changes, metrics) for key, backend in other._backends.items()}
        for backend in self._backends.values():
            backend.hosting.notify = self._notify
        self._latest = other._latest
        self.notices.extend(other.notices)
        self.runtime.adopt(other.runtime)
        self.faults.adopt(other.faults)
        self._script = None if other._script is None else other._script.copy(self._changes, self.faults)

    def _new_script(self) -> Script | None:
        return None if self._plan is None else Script(self._plan, self._changes, self.faults).begin()

    def end_scenario(self) -> None:
        """Let the scenario do nothing more to calls."""
        self._changes.whole(self._end_scenario)

    def _end_scenario(self) -> None:
        self._changes.assign(self, _script=None)
        self.faults.drop_scenario()

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
            self.faults.meet_copied()
        return [*map(str, self.faults.unused()), *self.faults.expected.values()]

    def reset(self) -> None:
        """Forget everything except the handlers of the models."""
        self._changes.whole(self._reset)

    def _reset(self) -> None:
        with self.change(reset=True):
            keep = self.calls.maxlen
            empty: dict[str, Any] = {"_backends": {}, "calls": deque(maxlen=keep), "notices": deque(maxlen=keep)}
            self._changes.assign(self, _latest=None, **empty)
            if self.publisher is not None:
                self.publisher.reset()
            self.faults.clear()
            self._changes.assign(self, _script=self._new_script())
            self.runtime.reset()
