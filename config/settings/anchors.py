"""Anchors of the audit trail: shared_apps/audit/anchors."""

from config.env import env

# Where they go, all of them: file:///DIRECTORY, s3://BUCKET/PREFIX, syslog://HOST, syslog+tcp://HOST, syslog+unix:///SOCKET.
AUDIT_ANCHOR_PLACES = env.names("AUDIT_ANCHOR_PLACES", default=[])
# What `audit anchor --new-key` writes. Only the provisioner and the commands need it.
AUDIT_ANCHOR_KEY = env.text("AUDIT_ANCHOR_KEY", default="")
# The JWK set that `audit verify --anchors` believes unless --public-key names another.
AUDIT_ANCHOR_PUBLIC_KEYS = env.text("AUDIT_ANCHOR_PUBLIC_KEYS", default="")
AUDIT_ANCHOR_SECONDS = env.integer("AUDIT_ANCHOR_SECONDS", default=300, low=10, high=86_400)

# The key to the buckets of AUDIT_ANCHOR_PLACES, and where they are: at AWS, or at a store of one's own.
AUDIT_ANCHOR_S3_KEY_ID = env.text("AUDIT_ANCHOR_S3_KEY_ID", default="")
AUDIT_ANCHOR_S3_SECRET_KEY = env.text("AUDIT_ANCHOR_S3_SECRET_KEY", default="")
AUDIT_ANCHOR_S3_REGION = env.text("AUDIT_ANCHOR_S3_REGION", default="us-east-1")
AUDIT_ANCHOR_S3_ENDPOINT = env.url("AUDIT_ANCHOR_S3_ENDPOINT", default="", schemes=("https",))
# Certificates are checked against the system's authorities, and against these.
AUDIT_ANCHOR_S3_AUTHORITIES = env.text("AUDIT_ANCHOR_S3_AUTHORITIES", default="")
# Nobody can delete an anchor for so long, where the bucket has object lock; 0: what the bucket itself says.
AUDIT_ANCHOR_S3_LOCK_DAYS = env.integer("AUDIT_ANCHOR_S3_LOCK_DAYS", default=0, low=0, high=36_500)
