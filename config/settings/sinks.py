"""Where audit entries may be sent on to: shared_apps/audit/sinks."""

from config.env import env

# A destination at an address that is not public is refused, unless it is in one of these networks.
AUDIT_SINK_NETWORKS = env.networks("AUDIT_SINK_NETWORKS", default=[])
# Certificates of destinations are checked against the system's authorities, and against these.
AUDIT_SINK_AUTHORITIES = env.text("AUDIT_SINK_AUTHORITIES", default="")
