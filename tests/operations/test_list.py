"""ListInferenceExperiments: filters, sorts and pages that stay good while experiments come and go."""

from __future__ import annotations

import pytest

from mock_sagemaker_ie import Status
from tests.operations.shared import at, bring_to, refused
from tests.requests import NAME, create, stop

DEFAULT_PAGE = 10


@pytest.fixture
def launch(mock, sagemaker):
    """Launches experiments by name, in this order, each a second after the one before."""

    def launch(*names, **changes):
        for name in names:
            sagemaker.create_inference_experiment(**create(name, **changes))
            mock.clock.advance(seconds=1)

    return launch


@pytest.fixture
def listed(sagemaker):
    """The names on the first page of a list."""
    return lambda **query: names(sagemaker.list_inference_experiments(**query))


def names(answer):
    return [summary["Name"] for summary in answer["InferenceExperiments"]]


def delete(sagemaker, name):
    sagemaker.stop_inference_experiment(**stop(name))
    sagemaker.delete_inference_experiment(Name=name)


# --- summaries


def test_nothing_is_a_list_too(mock, sagemaker):
    """Without experiments the list is empty and has no next page."""
    answer = sagemaker.list_inference_experiments()

    assert answer["InferenceExperiments"] == []
    assert "NextToken" not in answer


def test_a_summary_says_what_describe_says(mock, sagemaker):
    """A summary has the members of its shape, each as Describe shows it; so it has no Arn."""
    sagemaker.create_inference_experiment(**create(Description="A new ranker"))
    sagemaker.stop_inference_experiment(**stop(Reason="It was slow"))

    (summary,) = sagemaker.list_inference_experiments()["InferenceExperiments"]

    shape = sagemaker.meta.service_model.shape_for("InferenceExperimentSummary")
    assert summary.keys() == shape.members.keys()
    assert summary.items() <= sagemaker.describe_inference_experiment(Name=NAME).items()


def test_a_summary_leaves_out_what_describe_leaves_out(mock, sagemaker):
    """What was not given and has not happened is absent."""
    sagemaker.create_inference_experiment(**create())

    (summary,) = sagemaker.list_inference_experiments()["InferenceExperiments"]

    shape = sagemaker.meta.service_model.shape_for("InferenceExperimentSummary")
    assert summary.keys() == shape.members.keys() - {"Description", "StatusReason", "CompletionTime"}


# --- filters


@pytest.mark.parametrize(
    ("text", "found"),
    [("ranker", ["ranker-a", "my-ranker"]), ("a", ["ranker-a", "my-ranker"]), ("-a", ["ranker-a"]), ("none", [])],
)
def test_names_are_found_by_what_they_contain(launch, listed, text, found):
    """NameContains finds a text anywhere in a name."""
    launch("ranker-a", "my-ranker", "other")

    assert sorted(listed(NameContains=text)) == sorted(found)


def test_every_experiment_is_of_the_only_type(launch, listed):
    """Type has one value so far, and every experiment has it."""
    launch("one", "two")

    assert listed(Type="ShadowMode") == ["two", "one"]


@pytest.mark.parametrize("status", list(Status))
def test_experiments_are_found_by_their_present_status(slow_mock, listed, status):
    """StatusEquals goes by the status at the moment of the list, whoever looked before."""
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
    ids=["after", "before", "between", "after all", "before all"],
)
def test_experiments_are_found_by_creation_time(launch, listed, query, found):
    """CreationTimeAfter and -Before leave out the instant itself."""
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
def test_experiments_are_found_by_the_time_of_their_last_change(mock, sagemaker, listed, query, found):
    """A call changes an experiment, and so does a deadline, at its own instant and not when somebody looks."""
    for name in ("running", "stopped"):
        sagemaker.create_inference_experiment(**create(name))
    sagemaker.create_inference_experiment(**create("starting", Schedule={"StartTime": at(days=1)}))
    mock.clock.move_to(at(days=2))
    sagemaker.stop_inference_experiment(**stop("stopped"))

    assert sorted(listed(**query)) == found


def test_filters_are_joined_by_and(launch, listed, sagemaker):
    """An experiment is listed when every filter lets it."""
    launch("ranker-a", "ranker-b", "other")
    sagemaker.stop_inference_experiment(**stop("ranker-a"))
    sagemaker.stop_inference_experiment(**stop("other"))

    assert listed(NameContains="ranker", StatusEquals="Cancelled") == ["ranker-a"]


# --- sorts


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
def test_lists_are_sorted(launch, listed, sagemaker, query, order):
    """By CreationTime, Name or Status; the newest, and in general the last, comes first unless Ascending."""
    launch("b", "c", "a")
    sagemaker.stop_inference_experiment(**stop("a"))  # Cancelled
    sagemaker.stop_inference_experiment(**stop("c", DesiredState="Completed"))  # and b is Running.

    assert listed(**query) == order


def test_experiments_of_one_instant_keep_their_order(mock, sagemaker, listed):
    """Created at the same time, they are listed in the order of their creation, or its reverse."""
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


def test_ten_make_a_page(launch, sagemaker):
    """Without MaxResults a page has ten experiments; the last has no NextToken, even when it is full."""
    launch(*(f"experiment-{number}" for number in range(2 * DEFAULT_PAGE)))

    first = sagemaker.list_inference_experiments()
    last = sagemaker.list_inference_experiments(NextToken=first["NextToken"])

    assert len(first["InferenceExperiments"]) == len(last["InferenceExperiments"]) == DEFAULT_PAGE
    assert "NextToken" not in last


@in_any_order
@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 100])
def test_pages_together_are_the_list(launch, listed, sagemaker, query, size):
    """Whatever the page size and the order, the pages hold each experiment once, in the order of the whole list."""
    launch("c", "a", "f", "b", "e", "d")
    for name in "ae":
        sagemaker.stop_inference_experiment(**stop(name))

    pages = list(sagemaker.get_paginator("list_inference_experiments").paginate(MaxResults=size, **query))

    assert [name for page in pages for name in names(page)] == listed(**query)
    assert [len(names(page)) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert names(pages[-1])


def test_pages_count_what_the_filters_let_through(launch, sagemaker):
    """A page is full of what is wanted, and the last one is known to be the last."""
    launch("a-1", "b-1", "a-2", "b-2", "a-3", "b-3", "a-4", "b-4")

    first = sagemaker.list_inference_experiments(NameContains="a", MaxResults=2)
    last = sagemaker.list_inference_experiments(NameContains="a", MaxResults=2, NextToken=first["NextToken"])

    assert [names(first), names(last)] == [["a-4", "a-3"], ["a-2", "a-1"]]
    assert "NextToken" not in last


def test_a_page_may_have_another_size_than_the_one_before(launch, sagemaker):
    """MaxResults is the page's, not the list's."""
    launch("a", "b", "c", "d")
    token = sagemaker.list_inference_experiments(MaxResults=1)["NextToken"]

    answer = sagemaker.list_inference_experiments(MaxResults=2, NextToken=token)

    assert names(answer) == ["c", "b"]


def test_a_token_is_good_more_than_once(launch, sagemaker):
    """The same token gives the same page."""
    launch("a", "b", "c")
    token = sagemaker.list_inference_experiments(MaxResults=1)["NextToken"]

    pages = [names(sagemaker.list_inference_experiments(MaxResults=1, NextToken=token)) for _ in range(2)]

    assert pages == [["b"], ["b"]]


@in_any_order
def test_nothing_is_shown_twice_or_left_out_while_experiments_come_and_go(launch, sagemaker, query):
    """Between two pages some are deleted, shown and unshown, and some are added: what stays is shown once."""
    launch("c", "g", "a", "f", "b", "e", "d")
    first = sagemaker.list_inference_experiments(MaxResults=3, **query)
    shown, unshown = names(first), [name for name in "abcdefg" if name not in names(first)]

    delete(sagemaker, shown[-1])  # The very one at which the next page is to go on.
    delete(sagemaker, unshown[0])
    launch("aa", "zz")
    rest = sagemaker.list_inference_experiments(MaxResults=100, NextToken=first["NextToken"], **query)

    known = [name for name in names(rest) if name not in ("aa", "zz")]
    assert sorted(known) == unshown[1:]
    assert len(set(names(rest))) == len(names(rest))


def test_what_comes_after_the_first_page_is_not_among_the_older(launch, sagemaker):
    """In the default order an experiment newer than the first page is on none of the following."""
    launch("a", "b", "c")
    token = sagemaker.list_inference_experiments(MaxResults=1)["NextToken"]

    launch("new")

    assert names(sagemaker.list_inference_experiments(NextToken=token)) == ["b", "a"]


def test_a_list_may_end_before_its_token(launch, sagemaker):
    """When all that was to come is deleted, the next page is empty and the last."""
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
    """The NextToken of the first page of QUERY."""
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
def test_a_token_goes_on_with_its_own_query_only(mock, sagemaker, token, change):
    """With another filter or another order a token is refused."""
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
    ids=["empty", "made up", "not ASCII", "cut", "longer", "changed", "reversed"],
)
def test_a_forged_token_is_refused(mock, sagemaker, token, forge):
    """A token that no list gave out is refused."""
    with refused(mock, "ValidationException"):
        sagemaker.list_inference_experiments(NextToken=forge(token), **QUERY)
