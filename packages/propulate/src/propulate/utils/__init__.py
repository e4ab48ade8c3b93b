"""Test functions, under the name that the original package gives this folder."""
