"""README is correct: its examples run, and its generated parts and those of docs/ are up to date."""

import re

import pytest

from tests.readme import FILES, GENERATED, README, written

EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def test_generated_parts_are_up_to_date():
    """`python -m tests.readme` changes nothing, and writes every part somewhere."""
    texts = [file.read_text() for file in FILES]

    assert all(any(f"<!-- {name} -->" in text for text in texts) for name in GENERATED)
    assert [written(text) for text in texts] == texts


@pytest.mark.parametrize("example", EXAMPLES, ids=[re.search("test_[a-z_]+", text)[0] for text in EXAMPLES])
def test_every_example_is_a_test_that_passes(example, pytester):
    """Each Python block is complete, and its tests pass in a real pytest run."""
    pytester.makepyfile(example)

    result = pytester.runpytest_inprocess("-q", "-p", "no:asyncio")

    outcomes = result.parseoutcomes()
    assert outcomes.keys() == {"passed"}
    assert outcomes["passed"] >= 1
