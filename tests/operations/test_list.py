"""ListInferenceExperiments: filters, sort orders, and pages while experiments come and go."""

from __future__ import annotations

import pytest

from mock_sagemaker_ie import Status
from tests.operations.shared import at, bring_to, refused
from tests.requests import NAME, create, stop

DEFAULT_PAGE = 10


@pytest.fixture
def launch(mock, sagemaker):
    """Return a function that creates experiments by name, in this order, one second apart."""

    def launch(*names, **changes):
        for name in names:
            sagemaker.create_inference_experiment(**create(name, **changes))
            mock.clock.advance(seconds=1)

    return launch


@pytest.fixture
def listed(sagemaker):
    """Return a function that returns the names on the first page of a list."""
    return lambda **query: names(sagemaker.list_inference_experiments(**query))


def names(answer):
    return [summary["Name"] for summary in answer["InferenceExperiments"]]


def delete(sagemaker, name):
    sagemaker.stop_inference_experiment(**stop(name))
    sagemaker.delete_inference_experiment(Name=name)


# --- summaries


def test_a_list_without_experiments_is_empty(mock, sagemaker):
    """Without experiments the list is empty and has no NextToken."""
    answer = sagemaker.list_inference_experiments()

    assert answer["InferenceExperiments"] == []
    assert "NextToken" not in answer


def test_a_summary_matches_describe(mock, sagemaker):
    """A summary has the members of its shape, so it has no Arn, with the same values as in Describe."""
    sagemaker.create_inference_experiment(**create(Description="A new ranker"))
    sagemaker.stop_inference_experiment(**stop(Reason="It was slow"))

    (summary,) = sagemaker.list_inference_experiments()["InferenceExperiments"]

    shape = sagemaker.meta.service_model.shape_for("InferenceExperimentSummary")
    assert summary.keys() == shape.members.keys()
    assert summary.items() <= sagemaker.describe_inference_experiment(Name=NAME).items()


def test_unset_members_are_absent_from_a_summary(mock, sagemaker):
    """Members that were not given, or have no value yet, are absent."""
    sagemaker.create_inference_experiment(**create())

    (summary,) = sagemaker.list_inference_experiments()["InferenceExperiments"]

    shape = sagemaker.meta.service_model.shape_for("InferenceExperimentSummary")
    assert summary.keys() == shape.members.keys() - {"Description", "StatusReason", "CompletionTime"}


# --- filters


@pytest.mark.parametrize(
    ("text", "found"),
    [("ranker", ["ranker-a", "my-ranker"]), ("a", ["ranker-a", "my-ranker"]), ("-a", ["ranker-a"]), ("none", [])],
)
def test_name_contains_matches_any_part_of_a_name(launch, listed, text, found):
    """NameContains finds a text anywhere in a name."""
    launch("ranker-a", "my-ranker", "other")

    assert sorted(listed(NameContains=text)) == sorted(found)


def test_type_matches_every_experiment(launch, listed):
    """Type has only one value, and every experiment has it."""
    launch("one", "two")

    assert listed(Type="ShadowMode") == ["two", "one"]


@pytest.mark.parametrize("status", list(Status))
def test_status_equals_filters_by_current_status(slow_mock, listed, status):
    """StatusEquals finds the experiments that have the status at the time of the call."""
    bring_to(slow_mock, status)

    assert [other for other in Status if listed(StatusEquals=other)] == [status]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"CreationTimeAfter": at(seconds=1)}, ["third"]),
        ({"CreationTimeBefore": at(seconds=1)}, ["first"]),
        ({"CreationTimeAfter": at(), "CreationTimeBefore": at(seconds=2)}, ["second"]),
        ({"CreationTimeAfter": at(seconds=2)}, []),
        ({"CreationTimeBefore": at()}, []),
    ],
    ids=["after", "before", "between", "after the last", "before the first"],
)
def test_experiments_filter_by_creation_time(launch, listed, query, found):
    """CreationTimeAfter and CreationTimeBefore exclude the given time itself."""
    launch("first", "second", "third")

    assert listed(**query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"LastModifiedTimeAfter": at(days=1)}, ["stopped"]),
        ({"LastModifiedTimeBefore": at(days=1)}, ["running"]),
        ({"LastModifiedTimeAfter": at(), "LastModifiedTimeBefore": at(days=3)}, ["starting", "stopped"]),
    ],
    ids=["after", "before", "between"],
)
def test_experiments_filter_by_last_modified_time(mock, sagemaker, listed, query, found):
    """LastModifiedTime is the time of the last call or deadline that changed the experiment, not of a read."""
    for name in ("running", "stopped"):
        sagemaker.create_inference_experiment(**create(name))
    sagemaker.create_inference_experiment(**create("starting", Schedule={"StartTime": at(days=1)}))
    mock.clock.move_to(at(days=2))
    sagemaker.stop_inference_experiment(**stop("stopped"))

    assert sorted(listed(**query)) == found


def test_filters_are_combined_with_and(launch, listed, sagemaker):
    """An experiment is listed only when every filter matches."""
    launch("ranker-a", "ranker-b", "other")
    sagemaker.stop_inference_experiment(**stop("ranker-a"))
    sagemaker.stop_inference_experiment(**stop("other"))

    assert listed(NameContains="ranker", StatusEquals="Cancelled") == ["ranker-a"]


# --- sort orders


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ({}, ["a", "c", "b"]),
        ({"SortBy": "CreationTime"}, ["a", "c", "b"]),
        ({"SortOrder": "Ascending"}, ["b", "c", "a"]),
        ({"SortBy": "Name"}, ["c", "b", "a"]),
        ({"SortBy": "Name", "SortOrder": "Ascending"}, ["a", "b", "c"]),
        ({"SortBy": "Status"}, ["b", "c", "a"]),
        ({"SortBy": "Status", "SortOrder": "Ascending"}, ["a", "c", "b"]),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_lists_sort_by_creation_time_name_or_status(launch, listed, sagemaker, query, order):
    """Lists sort by CreationTime unless SortBy is Name or Status, in descending order unless SortOrder is Ascending."""
    launch("b", "c", "a")
    sagemaker.stop_inference_experiment(**stop("a"))  # a is Cancelled,
    sagemaker.stop_inference_experiment(**stop("c", DesiredState="Completed"))  # c is Completed, and b is Running.

    assert listed(**query) == order


def test_experiments_with_the_same_time_keep_their_order(mock, sagemaker, listed):
    """Experiments created at the same time are listed in the order of their creation, or in its reverse."""
    for name in ("b", "c", "a"):
        sagemaker.create_inference_experiment(**create(name))

    assert listed(SortOrder="Ascending") == ["b", "c", "a"]
    assert listed() == ["a", "c", "b"]


# --- pages

ORDERS = [
    {"SortBy": by, "SortOrder": order}
    for by in ("CreationTime", "Name", "Status")
    for order in ("Ascending", "Descending")
]
in_any_order = pytest.mark.parametrize("query", ORDERS, ids=lambda query: "-".join(query.values()))


def test_a_page_has_ten_experiments_by_default(launch, sagemaker):
    """Without MaxResults a page has ten experiments; the last page has no NextToken, even when it is full."""
    launch(*(f"experiment-{number}" for number in range(2 * DEFAULT_PAGE)))

    first = sagemaker.list_inference_experiments()
    last = sagemaker.list_inference_experiments(NextToken=first["NextToken"])

    assert len(first["InferenceExperiments"]) == len(last["InferenceExperiments"]) == DEFAULT_PAGE
    assert "NextToken" not in last


@in_any_order
@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 100])
def test_pages_together_equal_the_list(launch, listed, sagemaker, query, size):
    """For every page size and order, the pages contain each experiment once, in the order of the whole list."""
    launch("c", "a", "f", "b", "e", "d")
    for name in "ae":
        sagemaker.stop_inference_experiment(**stop(name))

    pages = list(sagemaker.get_paginator("list_inference_experiments").paginate(MaxResults=size, **query))

    assert [name for page in pages for name in names(page)] == listed(**query)
    assert [len(names(page)) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert names(pages[-1])


def test_a_page_contains_only_matching_experiments(launch, sagemaker):
    """MaxResults counts only matching experiments, and the last page of matches has no NextToken."""
    launch("a-1", "b-1", "a-2", "b-2", "a-3", "b-3", "a-4", "b-4")

    first = sagemaker.list_inference_experiments(NameContains="a", MaxResults=2)
    last = sagemaker.list_inference_experiments(NameContains="a", MaxResults=2, NextToken=first["NextToken"])

    assert [names(first), names(last)] == [["a-4", "a-3"], ["a-2", "a-1"]]
    assert "NextToken" not in last


def test_max_results_may_differ_between_pages(launch, sagemaker):
    """MaxResults applies to one page, not to the whole list."""
    launch("a", "b", "c", "d")
    token = sagemaker.list_inference_experiments(MaxResults=1)["NextToken"]

    answer = sagemaker.list_inference_experiments(MaxResults=2, NextToken=token)

    assert names(answer) == ["c", "b"]


def test_a_token_may_be_used_again(launch, sagemaker):
    """The same token returns the same page."""
    launch("a", "b", "c")
    token = sagemaker.list_inference_experiments(MaxResults=1)["NextToken"]

    pages = [names(sagemaker.list_inference_experiments(MaxResults=1, NextToken=token)) for _ in range(2)]

    assert pages == [["b"], ["b"]]


@in_any_order
def test_pages_are_stable_while_experiments_come_and_go(launch, sagemaker, query):
    """When experiments are deleted and created between two pages, each experiment that remains is shown once."""
    launch("c", "g", "a", "f", "b", "e", "d")
    first = sagemaker.list_inference_experiments(MaxResults=3, **query)
    shown, not_shown = names(first), [name for name in "abcdefg" if name not in names(first)]

    delete(sagemaker, shown[-1])  # The next page starts after this one.
    delete(sagemaker, not_shown[0])
    launch("aa", "zz")
    rest = sagemaker.list_inference_experiments(MaxResults=100, NextToken=first["NextToken"], **query)

    known = [name for name in names(rest) if name not in ("aa", "zz")]
    assert sorted(known) == not_shown[1:]
    assert len(set(names(rest))) == len(names(rest))


def test_a_new_experiment_is_not_on_later_pages(launch, sagemaker):
    """In the default order, an experiment created after the first page is on none of the following pages."""
    launch("a", "b", "c")
    token = sagemaker.list_inference_experiments(MaxResults=1)["NextToken"]

    launch("new")

    assert names(sagemaker.list_inference_experiments(NextToken=token)) == ["b", "a"]


def test_the_page_of_a_token_may_be_empty(launch, sagemaker):
    """When all remaining experiments are deleted, the next page is empty and has no NextToken."""
    launch("a", "b")
    token = sagemaker.list_inference_experiments(MaxResults=1)["NextToken"]
    delete(sagemaker, "a")

    answer = sagemaker.list_inference_experiments(NextToken=token)

    assert answer["InferenceExperiments"] == []
    assert "NextToken" not in answer


# --- tokens


QUERY = {"NameContains": "a", "SortBy": "Name", "SortOrder": "Ascending", "CreationTimeAfter": at(days=-1)}


@pytest.fixture
def token(launch, sagemaker):
    """Return the NextToken of the first page of QUERY."""
    launch("a", "aa", "aaa")
    return sagemaker.list_inference_experiments(MaxResults=1, **QUERY)["NextToken"]


@pytest.mark.parametrize(
    "change",
    [
        {"NameContains": "aa"},
        {"SortBy": "CreationTime"},
        {"SortOrder": "Descending"},
        {"CreationTimeAfter": at(days=-2)},
        {"StatusEquals": "Running"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_token_is_valid_only_with_its_own_query(mock, sagemaker, token, change):
    """A token is refused with another filter or another order."""
    assert names(sagemaker.list_inference_experiments(NextToken=token, **QUERY)) == ["aa", "aaa"]

    with refused(mock, "ValidationException"):
        sagemaker.list_inference_experiments(NextToken=token, **{**QUERY, **change})


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: "",
        lambda token: "made-up",
        lambda token: "ä",
        lambda token: token[:-4],
        lambda token: token + "AAAA",
        lambda token: ("A" if token[0] != "A" else "B") + token[1:],
        lambda token: token[::-1],
    ],
    ids=["empty", "made up", "not ASCII", "shortened", "extended", "changed", "reversed"],
)
def test_a_forged_token_is_refused(mock, sagemaker, token, forge):
    """A token that no list returned is refused."""
    with refused(mock, "ValidationException"):
        sagemaker.list_inference_experiments(NextToken=forge(token), **QUERY)
