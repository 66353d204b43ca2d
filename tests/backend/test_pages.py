"""Pages of a list: every record is shown exactly once for every query and page size, while records come and go."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import Status
from mock_sagemaker_ie.backend.experiments.operations import EXPERIMENT
from mock_sagemaker_ie.backend.pages import page
from mock_sagemaker_ie.backend.store import Store
from mock_sagemaker_ie.protocol.errors import AWSError
from tests import shapes
from tests.conftest import START


@dataclass(frozen=True)
class Record:
    """The members of a record that a list sorts and filters by."""

    number: int
    name: str
    status: Status = Status.RUNNING
    created: dt.datetime = START
    modified: dt.datetime = START
    settings: dict[str, str] = field(default_factory=lambda: {"Type": "ShadowMode"}, hash=False)


def store(records):
    """Return a store with these records."""
    stored = Store(EXPERIMENT, "arn")
    for record in records:
        stored.put(record)
    return stored


MAX_PAGES = 50  # More pages than any test needs.


def pages(of, query, between=lambda: None):
    """Yield all pages of the list `of`; call `between` after each page, which may change the list."""
    token = {}
    for _ in range(MAX_PAGES):
        shown, next_token = page(store(of), {**query, **token}, scope="here")
        yield shown
        if next_token is None:
            return
        token = {"NextToken": next_token}
        between()
    raise AssertionError("the list has no last page")


def concatenated(pages):
    return [record for shown in pages for record in shown]


STATUSES = [Status.CREATED, Status.RUNNING]
HOUR = dt.timedelta(hours=1)

minutes = st.integers(0, 5).map(lambda number: START + dt.timedelta(minutes=number))
names = st.text("ab1", min_size=1, max_size=4)


@st.composite
def record_lists(draw):
    """Draw up to a dozen records whose creation times never go back."""
    described = draw(
        st.lists(st.tuples(names, st.sampled_from(STATUSES), minutes), max_size=12, unique_by=lambda d: d[0])
    )
    instants = sorted(draw(minutes) for _ in described)
    return [
        Record(number, name, status, created, modified)
        for number, ((name, status, modified), created) in enumerate(zip(described, instants, strict=True), start=1)
    ]


@pytest.fixture(scope="session")
def queries(sagemaker):
    """Return a strategy for ListInferenceExperiments queries in botocore's model: an order and at most one filter."""
    members = sagemaker.meta.service_model.operation_model("ListInferenceExperiments").input_shape.members
    known = {"Timestamp": minutes, "NameContains": names, "InferenceExperimentStatus": st.sampled_from(STATUSES)}
    asked = {
        name: shapes.values(member, known=known)
        for name, member in members.items()
        if name not in ("MaxResults", "NextToken")
    }
    order = {name: asked.pop(name) for name in ("SortBy", "SortOrder")}
    filters = [st.fixed_dictionaries({name: value}) for name, value in asked.items()]
    return st.builds(dict.__or__, st.fixed_dictionaries({}, optional=order), st.one_of(st.just({}), *filters))


@settings(max_examples=50, deadline=None)
@given(data=st.data(), records=record_lists(), size=st.integers(1, 13))
def test_pages_together_equal_the_list(queries, data, records, size):
    """For every query and page size, the pages together equal the list; only an empty list has an empty page."""
    query = data.draw(queries)
    (whole,) = pages(records, {**query, "MaxResults": 100})

    shown = list(pages(records, {**query, "MaxResults": size}))

    assert concatenated(shown) == whole
    assert [len(page) for page in shown[:-1]] == [size] * (len(shown) - 1)
    assert shown in ([[]], [page for page in shown if page])


@settings(max_examples=50, deadline=None)
@given(data=st.data(), records=record_lists(), size=st.integers(1, 3))
def test_pages_are_stable_while_records_come_and_go(queries, data, records, size):
    """No record is shown twice, and every record that exists from the first page to the last is shown."""
    query = {**data.draw(queries), "MaxResults": size}
    (expected,) = pages(records, {**query, "MaxResults": 100})
    deleted = []

    def between():
        for record in data.draw(st.lists(st.sampled_from(records), unique=True)) if records else ():
            records.remove(record)
            deleted.append(record)
        number = len(records) + len(deleted) + 1
        if number <= 20:
            name = f"{data.draw(names)}-{number}"
            records.append(Record(number, name, data.draw(st.sampled_from(STATUSES)), created=START + HOUR))

    shown = concatenated(pages(records, query, between=between))

    assert len(shown) == len(set(shown))
    assert set(shown) >= set(expected) - set(deleted)


QUERY = {"SortBy": "Name", "MaxResults": 1}
RECORDS = [Record(1, "a"), Record(2, "b")]
_, TOKEN = page(store(RECORDS), QUERY, scope="here")


def test_a_token_is_valid_only_in_its_scope():
    """A token is refused in another list, account or region, even with the same query."""
    page(store(RECORDS), {**QUERY, "NextToken": TOKEN}, scope="here")

    with pytest.raises(AWSError) as refusal:
        page(store(RECORDS), {**QUERY, "NextToken": TOKEN}, scope="elsewhere")

    assert refusal.value.code == "ValidationException"


@given(text=st.one_of(st.text(), st.text(sorted(set(TOKEN))), st.permutations(TOKEN).map("".join)).filter(TOKEN.__ne__))
def test_other_text_is_not_a_token(text):
    """Any text other than the token raises ValidationException, and never another error."""
    with pytest.raises(AWSError) as refusal:
        page(store(RECORDS), {**QUERY, "NextToken": text}, scope="here")

    assert refusal.value.code == "ValidationException"
