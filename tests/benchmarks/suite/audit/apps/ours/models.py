from shared_apps.audit.models import Auditable
from shared_apps.tenants.ownership import TenantModel
from tests.benchmarks.suite.audit.row import Row


class Audited(TenantModel, Auditable, Row):
    """All that an app says to have its changes recorded."""


class Unaudited(TenantModel, Row):
    """The same without triggers."""
