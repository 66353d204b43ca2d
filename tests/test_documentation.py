"""The documentation is correct: its examples run, its generated parts are up to date, and its links lead somewhere."""

import re

import pytest

from tests.documentation import FILES, GENERATED, PAGES, ROOT, written

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A block that begins with a comment like this is a file of this name; the other blocks are tests.
NAMED = re.compile(r"# (\w+)\.py\n")

BLOCKS = [(page, text) for page in PAGES for text in BLOCK.findall(page.read_text())]
EXAMPLES = [(page, text) for page, text in BLOCKS if not NAMED.match(text)]


def files(page) -> dict[str, str]:
    """Return the files that the tests of a page can import: its own, and those of the page Getting started."""
    shared = ROOT / "docs" / "getting-started.md"
    return {NAMED.match(text)[1]: text for each, text in BLOCKS if each in (shared, page) and NAMED.match(text)}


def test_generated_parts_are_up_to_date():
    """`python -m tests.documentation` changes nothing."""
    texts = [page.read_text() for page in PAGES]

    assert all(f"<!-- {name} -->" in "".join(texts) for name in GENERATED)
    assert [written(text) for text in texts] == texts
    assert [file.name for file, generate in FILES.items() if file.read_text(encoding="utf-8") != generate()] == []


@pytest.mark.parametrize(
    ("page", "example"), EXAMPLES, ids=[f"{page.stem}-{re.search('test_[a-z_]+', text)[0]}" for page, text in EXAMPLES]
)
def test_every_example_is_a_test_that_passes(page, example, pytester, monkeypatch):
    """Each Python block is complete, and its tests pass in a real pytest run."""
    pytester.makepyfile(**files(page), test_example=example)
    monkeypatch.syspath_prepend(pytester.path)

    result = pytester.runpytest_inprocess("-q", "-p", "no:asyncio", "-p", "no:cacheprovider", "test_example.py")

    outcomes = result.parseoutcomes()
    assert outcomes.keys() == {"passed"}
    assert outcomes["passed"] >= 1


def test_every_link_within_the_documentation_leads_to_a_file():
    """Also where no generator checks it: in README, and in an editor's preview."""
    broken = [
        (page.name, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert broken == []
