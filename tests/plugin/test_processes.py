"""The pytest plugin in pytest runs that are processes of their own: what it imports, and that it works in workers."""

from __future__ import annotations

import importlib.util

import pytest


@pytest.mark.parametrize(
    ("test", "arguments", "imported"),
    [
        ("def test_unused(): pass", ["--collect-only"], []),
        ("def test_unused(): pass", [], []),
        ("def test_used(sagemaker_ie): pass", ["--collect-only"], []),
        ("def test_used(sagemaker_ie): pass", [], ["botocore", "mock_sagemaker_ie.activation.activation"]),
    ],
    ids=["unused, collected", "unused, run", "used, collected", "used, run"],
)
def test_it_imports_nothing_until_a_test_uses_it(pytester, test, arguments, imported):
    """Loading the plugin costs next to nothing: no botocore, freezegun or responses in runs that need none."""
    pytester.makeconftest("""
        import sys

        HEAVY = ["boto3", "botocore", "freezegun", "mock_sagemaker_ie.activation.activation", "responses"]

        def pytest_terminal_summary(terminalreporter):
            terminalreporter.write_line(f"imported {[name for name in HEAVY if name in sys.modules]}")
    """)
    pytester.makepyfile(test)

    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", *arguments)

    result.stdout.fnmatch_lines([f"imported {imported}".replace("[", "[[]")])


@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_it_works_in_xdists_workers(pytester):
    """Each worker is a process with worlds of its own."""
    pytester.makepyfile("""
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_inside(sagemaker_ie, number):
            sagemaker_ie.client().list_inference_experiments()
            assert len(sagemaker_ie.calls) == 1
    """)

    pytester.runpytest_subprocess("-n2").assert_outcomes(passed=4)
