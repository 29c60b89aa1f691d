"""The second day: shared_apps/operations."""

from config.env import env

# Where pg_dump and pg_restore are; on the path unless set. They must be as new as the servers.
POSTGRES_BIN_DIR = env.text("POSTGRES_BIN_DIR", default="")
