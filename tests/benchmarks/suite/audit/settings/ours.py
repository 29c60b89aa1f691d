"""The product with a table that is audited and one that is not, and no others but the outbox."""

from config.settings.local import *

_APP = "tests.benchmarks.suite.audit.apps.ours"
TENANT_APPS = ["shared_apps.audit", _APP]
INSTALLED_APPS = [*INSTALLED_APPS, _APP]
