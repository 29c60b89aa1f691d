"""django-tenants that clones a schema instead of running its migrations."""

from tests.benchmarks.tenants.settings.peer import *

TENANT_CREATION_FAKES_MIGRATIONS = True
TENANT_BASE_SCHEMA = "base"
