"""Anchors of the audit trail: shared_apps/audit/anchors."""

from config.env import env

# Where they go, all of them: file:///DIRECTORY, syslog://HOST, syslog+tcp://HOST, syslog+unix:///SOCKET.
AUDIT_ANCHOR_PLACES = env.names("AUDIT_ANCHOR_PLACES", default=[])
# What `audit anchor --new-key` writes. Only the provisioner and the commands need it.
AUDIT_ANCHOR_KEY = env.text("AUDIT_ANCHOR_KEY", default="")
# The JWK set that `audit verify --anchors` believes unless --public-key names another.
AUDIT_ANCHOR_PUBLIC_KEYS = env.text("AUDIT_ANCHOR_PUBLIC_KEYS", default="")
AUDIT_ANCHOR_SECONDS = env.integer("AUDIT_ANCHOR_SECONDS", default=300, low=10, high=86_400)
