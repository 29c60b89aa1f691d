"""All tenants' schemas together."""

from config.env import env

# Schemas that are kept ready for new tenants (docs/fleet.md); 0: none.
SPARE_SCHEMAS = env.integer("SPARE_SCHEMAS", default=3, low=0, high=1000)
