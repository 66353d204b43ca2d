"""History: an immutable sequence that shares its items with the histories that grew from it."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from mock_sagemaker_ie.backend.history import History


def test_a_history_reads_like_a_tuple():
    """It has a length, an order, indices from both ends and slices."""
    history = History("ab").plus("c")

    assert (len(history), list(history), history[0], history[-1]) == (3, ["a", "b", "c"], "a", "c")
    assert (history[1:], history[-2:], history[3:]) == (("b", "c"), ("b", "c"), ())
    with pytest.raises(IndexError):
        history[3]


def test_a_longer_history_leaves_the_shorter_one_as_it_is():
    """Two histories that grow from the same one do not see each other's items."""
    first = History("a")

    one, other = first.plus("b"), first.plus("c")

    assert [list(each) for each in (first, one, other, one.plus("d"), other.plus("e"))] == [
        ["a"],
        ["a", "b"],
        ["a", "c"],
        ["a", "b", "d"],
        ["a", "c", "e"],
    ]
    with pytest.raises(IndexError):
        first[1]


def test_threads_that_grow_the_same_history_do_not_disturb_each_other(frequent_thread_switches):
    """Mocks in several threads may begin with a copy of the same state."""
    first = History(range(3))

    def grow(name: str) -> list[object]:
        history = first
        for number in range(200):
            history = history.plus((name, number))
        return list(history)

    with ThreadPoolExecutor(8) as pool:
        names = [f"thread {number}" for number in range(8)]
        assert list(pool.map(grow, names)) == [[0, 1, 2, *((name, it) for it in range(200))] for name in names]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])  # noqa: S301
def test_a_copy_is_equal_and_independent(copied):
    """A copy does not contain what another history has added."""
    history = History("ab")
    history.plus("c")

    assert copied(history) == history
    assert history != History("abc")
    assert repr(copied(history)) == "History(['a', 'b'])"


def test_growing_does_not_copy():
    """All histories that grew one from the other share one list, so growth takes linear time."""
    history = grown = History()
    for number in range(1000):
        grown = grown.plus(number)

    assert grown._items is history._items
