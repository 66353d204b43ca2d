"""ListModels, ListEndpointConfigs and ListEndpoints: filters, sort orders, and pages while resources come and go."""

from __future__ import annotations

import pytest
from botocore.exceptions import ParamValidationError

from tests.hosting import ENDPOINT_STATUSES, ENDPOINTS, KINDS, bring_to, refused
from tests.operations.shared import at
from tests.requests import CONFIG, ENDPOINT, endpoint_config

DEFAULT_PAGE = 10


@pytest.fixture
def create(kind, mock, sagemaker):
    """Return a function that creates resources by name, in this order, one second apart."""

    def create(*names):
        for name in names:
            kind.create(sagemaker, name)
            mock.clock.advance(seconds=1)

    return create


@pytest.fixture
def listed(kind, sagemaker):
    """Return a function that returns the names on the first page of a list."""
    return lambda **query: kind.names(kind.list(sagemaker, **query))


# --- summaries


def test_a_list_without_resources_is_empty(kind, sagemaker):
    """Without resources the list is empty and has no NextToken."""
    assert kind.list(sagemaker) == {kind.listed: []}


def test_a_summary_matches_describe(kind, sagemaker, create):
    """A summary has the members of its shape, with the same values as in Describe."""
    create("one")

    (summary,) = kind.list(sagemaker)[kind.listed]

    output = sagemaker.meta.service_model.operation_model(f"List{kind.listed}").output_shape
    assert summary.keys() == output.members[kind.listed].member.members.keys()
    assert summary.items() <= kind.describe(sagemaker, "one").items()


# --- filters


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"NameContains": "ranker"}, ["my-ranker", "ranker-a"]),
        ({"NameContains": "-a"}, ["ranker-a"]),
        ({"NameContains": "Ranker"}, []),
        ({"CreationTimeAfter": at(seconds=1)}, ["my-ranker"]),
        ({"CreationTimeBefore": at(seconds=1)}, ["ranker-a"]),
        ({"CreationTimeAfter": at(), "CreationTimeBefore": at(seconds=2)}, ["other"]),
        ({"CreationTimeAfter": at(seconds=2)}, []),
        ({"NameContains": "ranker", "CreationTimeAfter": at(seconds=1)}, ["my-ranker"]),
    ],
    ids=["name", "part", "case", "after", "before", "between", "after the last", "name and time"],
)
def test_lists_filter_by_name_and_creation_time(create, listed, query, found):
    """NameContains matches a part of the name, creation times exclude the given time itself, and filters combine."""
    create("ranker-a", "other", "my-ranker")

    assert listed(**query) == found


@pytest.mark.parametrize("status", ENDPOINT_STATUSES)
def test_status_equals_filters_by_current_status(slow_hosting_mock, sagemaker, status):
    """StatusEquals finds the endpoints that have the status at the time of the call."""
    bring_to(slow_hosting_mock, status)

    pages = {other: ENDPOINTS.list(sagemaker, StatusEquals=other) for other in ENDPOINT_STATUSES}

    found = {other: ENDPOINTS.names(page) for other, page in pages.items()}
    assert found == {other: [ENDPOINT] if other == status else [] for other in ENDPOINT_STATUSES}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"LastModifiedTimeAfter": at(minutes=10)}, ["updated"]),
        ({"LastModifiedTimeBefore": at(minutes=30)}, ["created"]),
        ({"LastModifiedTimeAfter": at(minutes=9), "LastModifiedTimeBefore": at(days=1)}, ["updated", "created"]),
    ],
    ids=["after", "before", "between"],
)
def test_endpoints_filter_by_last_modified_time(slow_hosting_mock, sagemaker, query, found):
    """LastModifiedTime changes when a deployment begins and when it ends, not when Describe is called."""
    sagemaker.create_endpoint_config(**endpoint_config())
    slow_hosting_mock.clock.move_to(at(minutes=5))
    for name in ("created", "updated"):
        ENDPOINTS.create(sagemaker, name)  # In service after 5 minutes.
    slow_hosting_mock.clock.move_to(at(hours=1))
    sagemaker.update_endpoint(EndpointName="updated", EndpointConfigName=CONFIG)
    slow_hosting_mock.clock.move_to(at(days=2))

    page = sagemaker.list_endpoints(**query)

    assert ENDPOINTS.names(page) == found


# --- sort orders


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ({}, ["a", "c", "b"]),
        ({"SortBy": "CreationTime"}, ["a", "c", "b"]),
        ({"SortOrder": "Ascending"}, ["b", "c", "a"]),
        ({"SortBy": "Name"}, ["c", "b", "a"]),
        ({"SortBy": "Name", "SortOrder": "Ascending"}, ["a", "b", "c"]),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_lists_sort_by_creation_time_or_name(create, listed, query, order):
    """Lists sort by CreationTime unless SortBy is Name, in descending order unless SortOrder is Ascending."""
    create("b", "c", "a")

    assert listed(**query) == order


def test_resources_with_the_same_time_keep_their_order(kind, sagemaker, listed):
    """Resources created at the same time are listed in the order of their creation, or in its reverse."""
    for name in ("b", "c", "a"):
        kind.create(sagemaker, name)

    assert listed(SortOrder="Ascending") == ["b", "c", "a"]
    assert listed() == ["a", "c", "b"]


def test_a_recreated_resource_is_the_newest(kind, sagemaker, create, listed):
    """A resource that was deleted and created again is the newest in the list."""
    create("a", "b")
    kind.delete(sagemaker, "a")

    create("a")

    assert listed() == ["a", "b"]


def test_endpoints_sort_by_status(mock, sagemaker):
    """SortBy Status sorts alphabetically; endpoints with the same status are sorted by creation."""
    mock.fail_endpoint("b", "No capacity")
    sagemaker.create_endpoint_config(**endpoint_config())
    for name in "cbda":
        ENDPOINTS.create(sagemaker, name)

    page = sagemaker.list_endpoints(SortBy="Status", SortOrder="Ascending")

    assert ENDPOINTS.names(page) == ["b", "c", "d", "a"]


# --- pages


ORDERS = [
    {"SortBy": by, "SortOrder": order} for by in ("CreationTime", "Name") for order in ("Ascending", "Descending")
]
in_any_order = pytest.mark.parametrize("query", ORDERS, ids=lambda query: "-".join(query.values()))


def test_a_page_has_ten_resources_by_default(kind, sagemaker, create):
    """Without MaxResults a page has ten resources; the last page has no NextToken, even when it is full."""
    create(*(f"resource-{number}" for number in range(2 * DEFAULT_PAGE)))

    first = kind.list(sagemaker)
    last = kind.list(sagemaker, NextToken=first["NextToken"])

    assert len(kind.names(first)) == len(kind.names(last)) == DEFAULT_PAGE
    assert "NextToken" not in last


@in_any_order
@pytest.mark.parametrize("size", [1, 2, 6, 100])
def test_pages_together_equal_the_list(kind, sagemaker, create, query, size):
    """For every page size and order, the pages contain each resource once, in the order of the whole list."""
    create("c", "a", "f", "b", "e", "d")

    paginator = sagemaker.get_paginator(f"list_{kind.method}s")
    pages = [kind.names(page) for page in paginator.paginate(MaxResults=size, **query)]

    assert [name for page in pages for name in page] == kind.names(kind.list(sagemaker, **query))
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert pages[-1]


@in_any_order
def test_pages_are_stable_while_resources_come_and_go(kind, sagemaker, create, query):
    """When resources are deleted and created between two pages, each resource that remains is shown once."""
    create("c", "g", "a", "f", "b", "e", "d")
    first = kind.list(sagemaker, MaxResults=3, **query)
    shown, not_shown = kind.names(first), [name for name in "abcdefg" if name not in kind.names(first)]

    kind.delete(sagemaker, shown[-1])  # The next page starts after this one.
    kind.delete(sagemaker, not_shown[0])
    create("aa", "zz")
    rest = kind.names(kind.list(sagemaker, MaxResults=100, NextToken=first["NextToken"], **query))

    assert sorted(name for name in rest if name not in ("aa", "zz")) == not_shown[1:]
    assert len(set(rest)) == len(rest)


def test_a_page_contains_only_matching_resources(kind, sagemaker, create):
    """MaxResults counts only matching resources, and the last page of matches has no NextToken."""
    create("a-1", "b-1", "a-2", "b-2", "a-3", "b-3", "a-4", "b-4")
    query = {"NameContains": "a", "MaxResults": 2}

    first = kind.list(sagemaker, **query)
    last = kind.list(sagemaker, **query, NextToken=first["NextToken"])

    assert [kind.names(first), kind.names(last)] == [["a-4", "a-3"], ["a-2", "a-1"]]
    assert "NextToken" not in last


def test_max_results_is_between_1_and_100(kind, mock, sagemaker):
    """MaxResults has the limits of botocore's model."""
    with refused(mock):
        kind.list(sagemaker, MaxResults=101)
    with pytest.raises(ParamValidationError):
        kind.list(sagemaker, MaxResults=0)


# --- tokens


@pytest.fixture
def token(kind, sagemaker, create):
    """Return the NextToken of the first page of QUERY."""
    create("a", "aa", "aaa")
    return kind.list(sagemaker, MaxResults=1, **QUERY)["NextToken"]


QUERY = {"NameContains": "a", "SortBy": "Name", "SortOrder": "Ascending", "CreationTimeAfter": at(days=-1)}


@pytest.mark.parametrize(
    "change",
    [
        {"NameContains": "aa"},
        {"SortBy": "CreationTime"},
        {"SortOrder": "Descending"},
        {"CreationTimeAfter": at(days=-2)},
        {"CreationTimeBefore": at(days=2)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_token_is_valid_only_with_its_own_query(kind, mock, sagemaker, token, change):
    """A token may be used repeatedly with the query that returned it, and is refused with another query."""
    for _ in range(2):
        assert kind.names(kind.list(sagemaker, NextToken=token, **QUERY)) == ["aa", "aaa"]

    with refused(mock):
        kind.list(sagemaker, NextToken=token, **{**QUERY, **change})


@pytest.mark.parametrize(
    "forge",
    [lambda _: "made-up", lambda token: token[:-4], lambda token: token[::-1]],
    ids=["made up", "shortened", "reversed"],
)
def test_a_forged_token_is_refused(kind, mock, sagemaker, token, forge):
    """A token that no list returned is refused."""
    with refused(mock):
        kind.list(sagemaker, NextToken=forge(token), **QUERY)


def test_a_token_is_valid_only_for_its_own_list_and_region(kind, mock, sagemaker, token):
    """A token of another list, or of the same list in another region, is refused."""
    for other in set(KINDS) - {kind}:
        with refused(mock):
            other.list(sagemaker, NextToken=token, **QUERY)

    with refused(mock):
        kind.list(mock.client(region_name="eu-west-1"), NextToken=token, **QUERY)
