"""Django without tenants; PgBouncer sets the path, as it refuses clients that ask for options."""

from tests.benchmarks.suite.request.settings.plain import *

DATABASES["default"].pop("OPTIONS")
