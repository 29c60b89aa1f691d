"""django-tenants setting the path once a request instead of once a cursor."""

from tests.benchmarks.suite.request.settings.stock import *

TENANT_LIMIT_SET_CALLS = True
