"""The settings of the documentation: `python -m sphinx -W docs docs/_build`."""

from importlib import metadata

project = "mock_sagemaker_ie"
version = release = metadata.version("mock-sagemaker-ie")
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"mock_sagemaker_ie {release}"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
# Docstrings write code between single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_type_aliases = {"Clock": "Clock"}
