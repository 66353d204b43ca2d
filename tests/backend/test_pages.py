"""Lists in pages: whatever the query and the size, every record is shown once, while records come and go."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import Status
from mock_sagemaker_ie.backend.pages import page
from mock_sagemaker_ie.protocol.errors import AWSError
from tests import shapes
from tests.conftest import START


@dataclass(frozen=True)
class Record:
    """What a list shows, as far as it sorts and filters by it."""

    number: int
    name: str
    status: Status = Status.RUNNING
    created: dt.datetime = START
    modified: dt.datetime = START
    settings: dict[str, str] = field(default_factory=lambda: {"Type": "ShadowMode"}, hash=False)


MOST_PAGES = 50  # More than the tests have records.


def pages(of, query, between=lambda: None):
    """All pages of the list `of`, which `between` may change from page to page."""
    token = {}
    for _ in range(MOST_PAGES):
        shown, next_token = page(of, {**query, **token}, scope="here")
        yield shown
        if next_token is None:
            return
        token = {"NextToken": next_token}
        between()
    raise AssertionError("a list without an end")


def concatenated(pages):
    return [record for shown in pages for record in shown]


STATUSES = [Status.CREATED, Status.RUNNING]
HOUR = dt.timedelta(hours=1)

minutes = st.integers(0, 5).map(lambda number: START + dt.timedelta(minutes=number))
names = st.text("ab1", min_size=1, max_size=4)


@st.composite
def worlds(draw):
    """Up to a dozen records, created at instants that never go back."""
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
    """A strategy for what ListInferenceExperiments may be asked by botocore's model: an order and a filter."""
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
@given(data=st.data(), world=worlds(), size=st.integers(1, 13))
def test_small_pages_make_up_the_whole_list(queries, data, world, size):
    """However it is filtered and sorted, a list is the same in pages of any size, and no page is shown in vain."""
    query = data.draw(queries)
    (whole,) = pages(world, {**query, "MaxResults": 100})

    shown = list(pages(world, {**query, "MaxResults": size}))

    assert concatenated(shown) == whole
    assert [len(page) for page in shown[:-1]] == [size] * (len(shown) - 1)
    assert shown in ([[]], [page for page in shown if page])


@settings(max_examples=50, deadline=None)
@given(data=st.data(), world=worlds(), size=st.integers(1, 3))
def test_records_may_come_and_go_between_pages(queries, data, world, size):
    """Nothing is shown twice, and what was there from the first page to the last is shown."""
    query = {**data.draw(queries), "MaxResults": size}
    (wanted,) = pages(world, {**query, "MaxResults": 100})
    deleted = []

    def between():
        for record in data.draw(st.lists(st.sampled_from(world), unique=True)) if world else ():
            world.remove(record)
            deleted.append(record)
        number = len(world) + len(deleted) + 1
        if number <= 20:
            name = f"{data.draw(names)}-{number}"
            world.append(Record(number, name, data.draw(st.sampled_from(STATUSES)), created=START + HOUR))

    shown = concatenated(pages(world, query, between=between))

    assert len(shown) == len(set(shown))
    assert set(shown) >= set(wanted) - set(deleted)


QUERY = {"SortBy": "Name", "MaxResults": 1}
WORLD = [Record(1, "a"), Record(2, "b")]
_, TOKEN = page(WORLD, QUERY, scope="here")


def test_a_token_is_bound_to_its_list():
    """At another list, or in another account or region, it is refused, though the query is the same."""
    page(WORLD, {**QUERY, "NextToken": TOKEN}, scope="here")

    with pytest.raises(AWSError) as refusal:
        page(WORLD, {**QUERY, "NextToken": TOKEN}, scope="elsewhere")

    assert refusal.value.code == "ValidationException"


@given(text=st.one_of(st.text(), st.text(sorted(set(TOKEN))), st.permutations(TOKEN).map("".join)).filter(TOKEN.__ne__))
def test_no_text_is_a_token_by_chance(text):
    """Whatever else is sent as a token is refused, and is never an error of ours."""
    with pytest.raises(AWSError) as refusal:
        page(WORLD, {**QUERY, "NextToken": text}, scope="here")

    assert refusal.value.code == "ValidationException"
