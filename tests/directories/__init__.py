"""Real backends for the tests, each with people in every state that it knows."""

import pytest

# Its assertions explain themselves as those of tests do.
pytest.register_assert_rewrite("tests.directories.contract")
