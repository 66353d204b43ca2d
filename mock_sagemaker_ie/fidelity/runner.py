"""The runner: it runs the steps of a probe on a target, AWS or a mock, and returns what was seen, scrubbed."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore import xform_name
from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError, ParamValidationError
from botocore.exceptions import ConnectionError as UnreachableError

from mock_sagemaker_ie.fidelity.probe import Call, Captures, Metrics, Wait
from mock_sagemaker_ie.fidelity.scrubbing import Scrubber
from mock_sagemaker_ie.protocol.errors import error_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mock_sagemaker_ie.fidelity.probe import Probe, Step

Values = dict[str, Any]

MAX_WAIT = 2 * 3600  # Seconds that a status may take.
MAX_DELIVERY = 900  # Seconds until captures and metrics must be there.

# Codes after which no other call can succeed either.
BAD_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


class EndedError(RuntimeError):
    """The run cannot go on: nobody answers, or the credentials are not accepted."""


class Target(NamedTuple):
    """What a probe runs on.

    `client`: returns the client of a service. `wait`: waits for so many seconds. `now`: returns the present instant
    (UTC). `names`: the values for the braces of the steps, by name. `captures`, `metrics`: return the capture records
    and the metrics of an endpoint. `poll`: the seconds between two looks at a status.
    """

    client: Callable[[str], Any]
    wait: Callable[[float], None]
    now: Callable[[], dt.datetime]
    names: Mapping[str, str | None]
    captures: Callable[[str], list[Values]]
    metrics: Callable[[str], list[str]]
    poll: float = 15


class Made(NamedTuple):
    """A resource that a call may have made: the Create operation, and the members of its request."""

    operation: str
    params: Values


class MissingError(LookupError):
    """A name of a step has no value: an earlier step has not succeeded."""


class Run:
    """One run of a probe. `steps`: what was seen so far, scrubbed. `made`: what must be cleaned up."""

    def __init__(self, probe: Probe, target: Target) -> None:
        self.steps: list[Values] = []
        self.made: list[Made] = []
        self.configs: list[str] = []  # The endpoint configurations that answers have named.
        self._probe, self._target = probe, target
        self._answers: dict[str, Values] = {}
        self._scrubber = Scrubber(target.names, target.now())

    def all_steps(self) -> None:
        """Run every step. Raises EndedError when the run cannot go on."""
        for step in self._probe.steps:
            seen: Values = {"step": step.name}
            self.steps.append(seen)
            missing = [name for name in step.needs if name not in self._answers and not self._target.names.get(name)]
            try:
                seen |= {"skipped": f"it needs: {', '.join(missing)}"} if missing else self._run(step)
            except MissingError as error:
                seen["skipped"] = f"it needs: {error}"
            except EndedError as error:
                seen["skipped"] = self.scrubbed(str(error))
                raise

    def scrubbed(self, text: str) -> str:
        """Return a text without what identifies an account, a person or a moment."""
        return self._scrubber.text(text)

    def _run(self, step: Step) -> Values:
        if isinstance(step, Call):
            return self._call(step)
        if isinstance(step, Wait):
            return self._wait(step)
        return self._delivered(step)

    # --- calls

    def _call(self, step: Call) -> Values:
        params = self._resolve(step.params)
        if step.operation.startswith("Create"):
            self.made.append(Made(step.operation, params))
        answer, raw = self._answer(step.operation, params)
        if "outcome" not in answer:
            self._answers[step.name] = answer
        elif step.operation.startswith("Create") and self._is_refused(answer):
            self.made.pop()
        return {"call": step.operation, **self._seen(answer, raw, step.look)}

    def _answer(self, operation: str, params: Values) -> tuple[Values, Values]:
        """Return the answer of a call, or its error as `outcome`; and what came over the wire."""
        service, _, name = operation.rpartition(":")
        client = self._target.client(f"sagemaker-{service}" if service else "sagemaker")
        raw: Values = {}
        event = f"before-parse.{client.meta.service_model.service_id.hyphenize()}.{name}"

        def keep(response_dict: Values, **_: Any) -> None:
            raw.update(response_dict)

        client.meta.events.register(event, keep)
        try:
            answer: Values = getattr(client, xform_name(name))(**params)
            if "Body" in answer:
                answer["Body"] = answer["Body"].read()
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in BAD_CREDENTIALS:
                raise EndedError(f"the service does not accept these credentials: {code}") from None
            answer = {"outcome": code, **error.response}
        except (HTTPClientError, NoCredentialsError, UnreachableError) as error:
            raise EndedError(f"{operation} was not answered: {error_text(error)}") from None
        except ParamValidationError as error:
            answer = {"outcome": "(ParamValidationError)", "Error": {"Message": error_text(error)}}
        except Exception as error:  # noqa: BLE001 - an answer may be unreadable in any way
            answer = {"outcome": f"(unreadable: {type(error).__name__})"}
        finally:
            client.meta.events.unregister(event, keep)
        self.configs += _config_names(answer)
        return answer, raw

    @staticmethod
    def _is_refused(answer: Values) -> bool:
        """Return whether an error says that nothing was made. After a failure of the service nobody knows."""
        status: int = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        return 400 <= status < 500  # noqa: PLR2004

    def _seen(self, answer: Values, raw: Values, look: tuple[str, ...]) -> Values:
        """Return what is compared of an answer, and its raw body if it is an error."""
        headers = {str(name).lower(): str(value) for name, value in dict(raw.get("headers", {})).items()}
        seen: Values = {
            "outcome": answer.get("outcome", "ok"),
            "http_status": answer.get("ResponseMetadata", {}).get("HTTPStatusCode"),
            "headers": {name: _header(name, headers[name]) for name in sorted(headers) if _is_compared(name)},
        }
        if "outcome" in answer:
            message = answer.get("Error", {}).get("Message") or answer.get("message", "")
            seen["message"] = self._scrubber.text(str(message))
            seen["body"] = self._scrubber.text(raw.get("body", b"").decode(errors="replace"))
        else:
            members = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
            seen["members"] = dict(_members(members))
            seen["values"] = {path: self._scrubber.value(_value(answer, path)) for path in look}
        return seen

    # --- waits

    def _wait(self, step: Wait) -> Values:
        """Look at a status until it is a wanted one, the resource is gone, or MAX_WAIT has passed."""
        params, began = self._resolve(step.params), self._target.now()
        path: list[str] = []
        seconds: list[float] = []
        while True:
            answer, _ = self._answer(step.operation, params)
            status = str(answer.get(step.member, f"({answer.get('outcome', 'no status')})"))
            after = (self._target.now() - began).total_seconds()
            if not path or path[-1] != status:
                path.append(status)
                seconds.append(round(after, 1))
            if status in step.until or step.member not in answer or after > MAX_WAIT:
                break
            self._target.wait(self._target.poll)
        if status in step.until:
            self._answers[step.name] = answer
        return {"wait": step.operation, "path": path, "seconds": seconds}

    def _delivered(self, step: Captures | Metrics) -> Values:
        """Wait for captures or metrics, which the service delivers later."""
        endpoint, began = self._resolve(step.endpoint), self._target.now()
        wanted = step.records if isinstance(step, Captures) else 1
        read: Callable[[str], list[Any]] = self._target.captures if isinstance(step, Captures) else self._target.metrics
        while True:
            try:
                found = read(endpoint)
            except ClientError as error:
                return {"outcome": str(error.response.get("Error", {}).get("Code", "")), "delivered": None}
            except Exception as error:  # noqa: BLE001 - a service may answer in any way
                return {"outcome": f"({type(error).__name__})", "delivered": None}
            if len(found) >= wanted or (self._target.now() - began).total_seconds() > MAX_DELIVERY:
                break
            self._target.wait(self._target.poll)
        if not found:
            return {"outcome": "(nothing was delivered)", "delivered": None}
        self._answers[step.name] = {}
        return {"outcome": "ok", "delivered": _captured(found) if isinstance(step, Captures) else sorted(found)}

    # --- names

    def _resolve(self, value: Any) -> Any:
        """Return a value of a step with the values of its names. Raises MissingError for a name without a value."""
        if isinstance(value, dict):
            members = {key: self._resolve(each) for key, each in value.items() if not self._is_left_out(each)}
            return {key: each for key, each in members.items() if each != {} or value[key] == {}}
        if isinstance(value, (list, tuple)):
            return [self._resolve(each) for each in value]
        if not isinstance(value, str):
            return value
        if whole := re.fullmatch(r"\{([^{}]+)\}", value):
            return self._name(whole[1])
        return re.sub(r"\{([^{}]+)\}", lambda name: str(self._name(name[1])), value)

    def _is_left_out(self, value: Any) -> bool:
        name = re.fullmatch(r"\{(\w+)\}", value) if isinstance(value, str) else None
        return name is not None and name[1] in self._target.names and self._target.names[name[1]] is None

    def _name(self, name: str) -> Any:
        if moment := re.fullmatch(r"now([+-]\d+)", name):
            return (self._target.now() + dt.timedelta(seconds=int(moment[1]))).replace(microsecond=0)
        if name in self._target.names:
            return self._target.names[name]
        step, _, path = name.partition(".")
        if step not in self._answers:
            raise MissingError(step)
        return _value(self._answers[step], path)


def _value(answer: Any, path: str) -> Any:
    """Return the value at a path of members and indices, None when there is none; of `A-B` the time between both."""
    if "-" in path:
        one, other = (_value(answer, each) for each in path.split("-"))
        return one - other if isinstance(one, dt.datetime) and isinstance(other, dt.datetime) else None
    for part in path.split("."):
        if isinstance(answer, list):
            answer = answer[int(part)] if int(part) < len(answer) else None
        else:
            answer = answer.get(part) if isinstance(answer, dict) else None
    return answer


def _members(value: Values, before: str = "") -> list[tuple[str, str]]:
    """Return the path and the type of every member, of lists those of all items."""
    found = []
    for name in sorted(value):
        each, path = value[name], f"{before}{name}"
        found.append((path, "bytes" if isinstance(each, bytes) else type(each).__name__))
        for item in each if isinstance(each, list) else [each]:
            if isinstance(item, dict):
                found += _members(item, f"{path}[]." if isinstance(each, list) else f"{path}.")
    return found


def _config_names(value: Any) -> list[str]:
    """Return every EndpointConfigName in an answer."""
    if isinstance(value, list):
        return [name for each in value for name in _config_names(each)]
    if not isinstance(value, dict):
        return []
    own = value.get("EndpointConfigName")
    return [
        *([own] if isinstance(own, str) else []),
        *(name for each in value.values() for name in _config_names(each)),
    ]


def _is_compared(header: str) -> bool:
    return header == "content-type" or header.startswith("x-amz")


def _header(name: str, value: str) -> str:
    return value.partition(";")[0] if name in ("content-type", "x-amzn-errortype") else "present"


def _captured(records: list[Values]) -> Values:
    """Return what is compared of capture records: their members, and whether variants share an eventId."""
    ids = [str(each.get("eventMetadata", {}).get("eventId")) for each in records]
    members = sorted({path for each in records for path, _ in _members(each)})
    return {"members": members, "shared event ids": len(set(ids)) < len(ids)}
