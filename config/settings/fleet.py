"""All tenants' schemas together."""

from config.env import env
from config.settings.database import DATABASE_SHARDING

# Schemas that are kept ready for new tenants (docs/fleet.md); 0: none, and none on a Citus cluster.
SPARE_SCHEMAS = env.integer("SPARE_SCHEMAS", default=3, low=0, high=1000)
if DATABASE_SHARDING == "citus":
    SPARE_SCHEMAS = 0
