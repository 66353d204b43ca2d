"""The documentation is correct: its examples run, its generated parts are up to date, and its links lead somewhere."""

import re

import pytest

from mock_sagemaker_ie import Status, UnansweredCallError, mock_inference_experiment
from mock_sagemaker_ie.documentation import Page
from tests import lifecycle_diagram
from tests.documentation import DIAGRAM, FILES, GENERATED, PAGES, ROOT, written

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
    assert DIAGRAM.read_text() == lifecycle_diagram.svg()
    assert [file.name for file, generate in FILES.items() if file.read_text(encoding="utf-8") != generate()] == []


def test_the_diagram_has_every_status():
    """A new status must find its place."""
    assert {*map(str, Status), "gone"} == {*lifecycle_diagram.PLACES}
    assert {name for edge in lifecycle_diagram.edges() for name in edge} == {*lifecycle_diagram.PLACES}


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


def test_each_page_that_an_error_names_exists():
    """Its title is the heading of one page; and each page of the table is named by an error."""
    titles = [page.read_text().splitlines()[0].removeprefix("# ") for page in PAGES]
    code = "".join(path.read_text() for path in (ROOT / "mock_sagemaker_ie").rglob("*.py"))

    assert [titles.count(page.value) for page in Page] == [1] * len(Page)
    assert [page for page in Page if f"{{Page.{page.name}}}" not in code] == []


def test_an_error_names_the_page_that_helps():
    """A reader finds the page by its title."""
    with mock_inference_experiment() as mock, pytest.raises(UnansweredCallError) as caught:
        mock.client().list_apps()

    assert str(caught.value).endswith('; see "How calls are intercepted" in the documentation.')
