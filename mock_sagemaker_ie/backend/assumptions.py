"""Assumptions: the inferred behaviours of AWS that a user's code can notice, each with the choices that the mock has.

No real response of the seven operations of inference experiments is public. So each row is our decision until somebody
shows otherwise; `mock-sagemaker-ie observe` and `conform` ask AWS.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Collection

    from typing_extensions import Self


def _row(default: Any, text: str, source: str) -> Any:
    """Return the field of one row. `text`: one sentence; `source`: why the default is ours."""
    return field(default=default, metadata={"text": text, "source": source})


_HANDLERS = "AWS's CloudFormation handlers for AWS::SageMaker::InferenceExperiment"
_ERRORS = "API reference, errors of "


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What the mock assumes of AWS where nothing is documented and nobody has published a real response.

    Each field is one behaviour, with the choice that the mock has; give only what shall differ from the default:
    `Assumptions(busy_endpoint="ConflictException")`. `str()` gives `busy_endpoint=ConflictException`, which `parse`
    reads. Raises TypeError for an unknown field, ValueError for an unknown choice. The fields, all str except
    `list_page_size`:
    """

    unscheduled_test: Literal["Running", "Starting"] = _row(
        "Running",
        "The status after Creating of a test whose StartTime is reached by then: Running with both variants deployed "
        "during Creating, or Starting, which deploys the shadow variant.",
        f"{_HANDLERS}: they accept only Created or Running after Creating",
    )
    desired_state: Literal["Cancelled", "Completed"] = _row(
        "Cancelled",
        "The status after Stopping when StopInferenceExperiment gives no DesiredState.",
        "Developer guide, Complete a shadow test: a test that is concluded early shows as cancelled",
    )
    busy_endpoint: Literal["ResourceInUse", "ResourceLimitExceeded", "ConflictException", "ValidationException"] = _row(
        "ResourceInUse",
        "The error code of CreateInferenceExperiment on an endpoint that an unfinished experiment uses.",
        f"{_ERRORS}CreateInferenceExperiment",
    )
    update_endpoint_under_test: Literal["ValidationException", "Permitted"] = _row(
        "ValidationException",
        "The answer to UpdateEndpoint while an unfinished experiment uses the endpoint; if it is permitted, the "
        "experiment goes on, and its end deploys what it would have deployed anyway.",
        "no source; one of AWS's sample notebooks calls UpdateEndpoint after CreateInferenceExperiment",
    )
    delete_endpoint_under_test: Literal["ValidationException", "Permitted"] = _row(
        "ValidationException",
        "The answer to DeleteEndpoint while an unfinished experiment uses the endpoint; if it is permitted, the "
        "experiment becomes Cancelled at once.",
        "no source",
    )
    stop_in_created: Literal["Stopping", "ConflictException"] = _row(
        "Stopping",
        "The status that StopInferenceExperiment in Created leads to, or its error code.",
        f"no source; {_HANDLERS} stop a Running test",
    )
    delete_in_created: Literal["Permitted", "ConflictException"] = _row(
        "Permitted",
        "The answer to DeleteInferenceExperiment in Created.",
        f"{_HANDLERS}: they delete straight away in Created, Completed and Cancelled",
    )
    delete_in_running: Literal["ConflictException", "Permitted"] = _row(
        "ConflictException",
        "The answer to DeleteInferenceExperiment in Running; if it is permitted, the endpoint keeps its variants.",
        f"{_HANDLERS}: they stop a Running test first",
    )
    quotas_in_updates: Literal["sum", "larger"] = _row(
        "sum",
        "The instances that count against a quota while an endpoint is updated: those of the old and the new "
        "deployment together, or those of the larger one.",
        "Developer guide, Deployment guardrails: an update makes a second fleet beside the first",
    )
    list_page_size: Literal[10, 100] = _row(
        10, "The number of experiments on a page when ListInferenceExperiments gives no MaxResults.", "ListEndpoints"
    )
    list_sort_by: Literal["CreationTime", "Name", "Status"] = _row(
        "CreationTime", "The order of ListInferenceExperiments without SortBy.", "ListEndpoints"
    )
    list_sort_order: Literal["Descending", "Ascending"] = _row(
        "Descending", "The direction of ListInferenceExperiments without SortOrder.", "ListEndpoints"
    )
    list_filters: Literal["before_page", "after_page"] = _row(
        "before_page",
        "Whether a List operation filters before it cuts a page, or after it, so that a page may have fewer entries "
        "than MaxResults, or none, and a NextToken.",
        "no source; pages of AWS's other lists may be empty and have a NextToken",
    )
    created_endpoint: Literal["stays", "deleted"] = _row(
        "stays",
        "What becomes, at EndTime, of an endpoint that the test created: it stays with the production variant, or it "
        "is deleted.",
        "no source; documented is only that an existing endpoint reverts",
    )
    failed_answers: Literal["dropped", "captured"] = _row(
        "dropped",
        "Whether data capture has an invocation whose container answered with an error or not at all; if so, with the "
        "response that there is.",
        "no source",
    )
    shadow_event_id: Literal["own", "shared"] = _row(
        "own",
        "Whether the eventId in the shadow variant's capture is its own, or that of the production variant's capture.",
        "no source",
    )
    target_shadow: Literal["ValidationError", "Invoked"] = _row(
        "ValidationError",
        "The answer to InvokeEndpoint whose TargetVariant names the shadow variant: an error, or the shadow variant's "
        "own answer.",
        "no source; documented is that the caller gets the answers of the production variant",
    )
    arn_case: Literal["kept", "lower"] = _row(
        "kept",
        "The letter case of names in ARNs; with lower case, names that differ only in case are the same name to a "
        "Create operation.",
        "no source; API reference, CreateEndpoint: EndpointName is case-insensitive there",
    )
    repeated_start_time: Literal["as_requested", "as_actual", "refused"] = _row(
        "as_requested",
        "The StartTime that UpdateInferenceExperiment accepts in Running: the actual one and the one of the last "
        "request, the actual one alone, or none (ValidationException).",
        f"{_HANDLERS}: they send the template's whole Schedule with each update, also after an early Start",
    )

    def __new__(cls, *_: Any, **choices: Any) -> Self:
        """Refuse an unknown field, and name the known ones."""
        for name in choices:
            require_row(name)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for row in ROWS:
            row.require(getattr(self, row.name))

    def changed(self) -> dict[str, Any]:
        """Return the choices that differ from the default, by field."""
        chosen = ((row, getattr(self, row.name)) for row in ROWS)
        return {row.name: choice for row, choice in chosen if choice != row.default}

    def __repr__(self) -> str:
        return f"Assumptions({', '.join(f'{name}={choice!r}' for name, choice in self.changed().items())})"

    def __str__(self) -> str:
        return " ".join(f"{name}={choice}" for name, choice in self.changed().items()) or "default"

    @classmethod
    def each(cls) -> list[Assumptions]:
        """Return the default, and then one variant for each other choice of each field.

        So a test runs under every reading of AWS:
        `@pytest.mark.parametrize("assumptions", Assumptions.each(), ids=str)`.
        """
        return [cls(), *(cls(**{row.name: other}) for row in ROWS for other in row.choices if other != row.default)]

    @classmethod
    def parse(cls, text: str) -> Assumptions:
        """Read `default`, or choices by name: `busy_endpoint=ConflictException list_page_size=100`.

        Words are separated by white space or commas; a line may end with a comment after `#`. Raises ValueError for a
        word of another form, an unknown field and an unknown choice.
        """
        words = [word for line in text.splitlines() for word in line.partition("#")[0].replace(",", " ").split()]
        choices: dict[str, Any] = {}
        for word in words if words != ["default"] else []:
            name, separator, choice = word.partition("=")
            if not separator:
                raise ValueError(
                    f"assumptions {text!r}: expected default, or choices by name, for example "
                    f"'busy_endpoint=ConflictException'; {word!r} is none of these"
                )
            try:
                row = require_row(name)
            except TypeError as error:
                raise ValueError(str(error)) from None
            if name in choices:
                raise ValueError(f"assumptions {text!r}: {name} is there twice")
            # A choice that is not a text has the same words in text.
            choices[name] = next((each for each in row.choices if str(each) == choice), choice)
        return cls(**choices)


class Row(NamedTuple):
    """One inferred behaviour: a field of Assumptions.

    `choices`: what the mock can do, with the default first. `text`: one sentence. `source`: why the default is ours.
    The mark is I (inferred) for each.
    """

    name: str
    choices: tuple[Any, ...]
    default: Any
    text: str
    source: str
    mark: str = "I"

    def require(self, choice: Any) -> None:
        """Raise ValueError for a choice that the mock does not have."""
        if choice not in self.choices or isinstance(choice, bool):
            known = ", ".join(map(repr, self.choices))
            near = _near(str(choice), [str(each) for each in self.choices])
            raise ValueError(f"Assumptions: {self.name}={choice!r}: expected one of {known}{near}")


def require_row(name: str) -> Row:
    """Return the row with this name. Raises TypeError when there is none."""
    found = next((row for row in ROWS if row.name == name), None)
    if found is None:
        names = [row.name for row in ROWS]
        raise TypeError(f"Assumptions has no field {name!r} (fields: {', '.join(names)}){_near(name, names)}")
    return found


def _near(word: str, known: Collection[str]) -> str:
    """Return the end of a message about an unknown word: the words that are near it, if there are any."""
    from mock_sagemaker_ie.protocol.errors import suggestion  # noqa: PLC0415 - needed for errors only

    text = suggestion(word, known)
    return text if "did you mean" in text else ""


_TYPES = get_type_hints(Assumptions)
ROWS = tuple(
    Row(each.name, get_args(_TYPES[each.name]), each.default, **each.metadata)
    for each in dataclasses.fields(Assumptions)
)


def _document() -> None:
    """Add the rows to the docstring of Assumptions, for help() and the reference."""
    described = [
        f"`{row.name}` ({' or '.join(map(repr, row.choices))}; default: {row.default!r}):\n    {row.text}"
        for row in ROWS
    ]
    Assumptions.__doc__ = "\n\n".join([inspect.cleandoc(Assumptions.__doc__ or ""), *described, ""])


_document()
