"""The documentation site: the READMEs, the changelogs, and the API from the docstrings."""
