"""The imports of the pytest plugin, in pytest runs in their own process."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("test", "arguments", "imported"),
    [
        ("def test_without_mock(): pass", [], []),
        ("def test_with_mock(sagemaker_ie): pass", ["--collect-only"], []),
        ("def test_with_mock(sagemaker_ie): pass", [], ["botocore", "mock_sagemaker_ie.activation.activation"]),
    ],
    ids=["run without the fixture", "collect with the fixture", "run with the fixture"],
)
def test_the_plugin_imports_nothing_until_a_test_uses_it(pytester, test, arguments, imported):
    """A run without the fixture imports no botocore, freezegun or responses, so loading the plugin costs no time."""
    pytester.makeconftest("""
        import sys

        HEAVY = ["boto3", "botocore", "freezegun", "mock_sagemaker_ie.activation.activation", "responses"]

        def pytest_terminal_summary(terminalreporter):
            terminalreporter.write_line(f"imported {[name for name in HEAVY if name in sys.modules]}")
    """)
    pytester.makepyfile(test)

    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", *arguments)

    result.stdout.fnmatch_lines([f"imported {imported}".replace("[", "[[]")])
