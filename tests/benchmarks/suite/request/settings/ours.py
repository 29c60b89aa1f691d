"""The product: its own backend, login, roles, middleware and health check."""

from tests.benchmarks.suite.request.settings.shared import *
