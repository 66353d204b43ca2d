"""Answers of models as JSON, for programs in other languages: each request to a model gets the same answer."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.protocol.errors import shown
from mock_sagemaker_ie.protocol.validation import broken_constraints
from mock_sagemaker_ie.service.clients import service_model
from mock_sagemaker_ie.service.models import ModelResponse, check_response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mock_sagemaker_ie.service.models import ModelRequest
    from mock_sagemaker_ie.service.service import Service

MAX_DEPTH = 100  # Of JSON: so that it can be shown, and read again from a journal.
BASE64 = "BASE64"  # AWS's word, in a capture.
_OTHERS = [each.name for each in fields(ModelResponse) if each.name != "body"]
MEMBERS = ("body", "chunks", "encoding", *_OTHERS)


def serve_canned(service: Service, model: Any, members: Any) -> None:
    """Let a model give an answer from now on, and keep that over restarts.

    `members`: those of ModelResponse; in place of `body`, `chunks` may be a list. Body and chunks are JSON: a string is
    sent as it is, or as the bytes that it stands for with `encoding` "BASE64"; any other value as JSON. Raises
    TypeError or ValueError for a name that no model can have, and for a member that is unknown or not allowed.
    """
    if not isinstance(members, dict):
        raise TypeError(f'{shown(members)}: expected an object with "body" or "chunks"')
    if not isinstance(model, str) or broken_constraints(service_model("sagemaker").shape_for("ModelName"), model):
        raise ValueError(f"model={shown(model)}: expected the name of a model")
    answer = CannedAnswer.read(members)
    with service.pause(), service.change(model=model, answer=answer.members):
        service.serve(model, answer)


def serve_file(service: Service, path: Path) -> None:
    """Let models give the answers in a file of JSON: by name of the model, what `serve_canned` takes.

    Raises OSError when the file cannot be read, ValueError when its content is wrong.
    """
    try:
        answers = json.loads(path.read_bytes())
    except OSError as error:
        raise OSError(f"{path} cannot be read: {error.strerror}") from None
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(answers, dict):
        raise ValueError(  # noqa: TRY004 - the content of a file is wrong
            f'{path} is no JSON object: expected answers by model, e.g. {{"ranker-v2": {{"body": 0.7}}}}'
        )
    for model, members in answers.items():
        try:
            serve_canned(service, model, members)
        except (TypeError, ValueError) as error:  # noqa: PERF203 - the error names the model
            raise ValueError(f"{path}, model {shown(model)}: {error}") from None


@dataclass(frozen=True)
class CannedAnswer:
    """A handler that returns the same response to every request. `members`: as the client sent them."""

    members: dict[str, Any]
    response: ModelResponse
    chunks: tuple[bytes | str, ...] | None

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> CannedAnswer:
        """Return the handler for these members. Raises TypeError or ValueError."""
        if unknown := sorted(members.keys() - set(MEMBERS)):
            raise ValueError(f"{unknown[0]} is unknown; known: {', '.join(MEMBERS)}")
        if ("body" in members) is ("chunks" in members):
            raise ValueError('expected either "body", or "chunks" for an answer in parts')
        encoding = members.get("encoding")
        if encoding not in (None, BASE64):
            raise ValueError(f'encoding={shown(encoding)}: expected "{BASE64}"')
        response = ModelResponse("", **{name: members[name] for name in _OTHERS if name in members})
        check_response(response)
        if "chunks" not in members:
            body = _encoded("body", members["body"], encoding)
            if isinstance(body, bytes) and encoding is None:
                response = replace(response, content_type=response.content_type or "application/json")
            return cls({**members}, replace(response, body=body), None)
        chunks = members["chunks"]
        if not isinstance(chunks, list) or not all(isinstance(each, str) for each in chunks):
            raise TypeError(f"chunks={shown(chunks)}: expected a list of strings")
        return cls({**members}, response, tuple(_encoded("chunks", each, encoding) for each in chunks))

    def __call__(self, _request: ModelRequest) -> ModelResponse:
        """Return the response."""
        return self.response if self.chunks is None else replace(self.response, body=iter(self.chunks))


def _encoded(name: str, value: Any, encoding: str | None) -> bytes | str:
    """Return what the container sends for a value: a str is text, whose content type the caller chooses."""
    if value is None:
        raise ValueError(f'{name}=null: expected another value; for the JSON null, send the string "null"')
    if _is_deeper(value, MAX_DEPTH):
        raise ValueError(f"{name}: expected at most {MAX_DEPTH} lists and objects inside each other")
    if encoding is None and not isinstance(value, str):
        try:
            return json.dumps(value, allow_nan=False).encode()
        except ValueError:
            raise ValueError(f"{name}={shown(value)}: NaN and Infinity are not JSON") from None
    try:
        if encoding is not None:
            return base64.b64decode(value, validate=True)
        value.encode()
    except (TypeError, UnicodeError, binascii.Error) as error:
        raise ValueError(f"{name}={shown(value)}: expected {encoding or 'text'} ({error})") from None
    return str(value)


def _is_deeper(value: Any, depth: int) -> bool:
    """Return whether more lists and objects than `depth` are inside each other."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (depth == 0 and isinstance(value, (dict, list))) or any(_is_deeper(each, depth - 1) for each in inside)
