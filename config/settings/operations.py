"""The second day: shared_apps/operations."""

from datetime import timedelta

from config.env import env

# Where pg_dump and pg_restore are; on the path unless set. They must be as new as the servers.
POSTGRES_BIN_DIR = env.text("POSTGRES_BIN_DIR", default="")

# What the doctor looks at; without these it does not.
BACKUPS_ROOT = env.text("BACKUPS_ROOT", default="")
BACKUP_LONGEST_AGE = timedelta(
    hours=env.integer("BACKUP_LONGEST_HOURS", default=26, low=1, high=8760)
)
CERTIFICATE_FILES = env.names("CERTIFICATE_FILES", default=[])
CERTIFICATE_LEAST_LIFE = timedelta(
    days=env.integer("CERTIFICATE_LEAST_DAYS", default=21, low=1, high=3650)
)
DISK_LEAST_PERCENT = env.integer("DISK_LEAST_PERCENT", default=10, low=0, high=99)

# Of this process: what a support bundle is searched for. Whatever else is read later is in it as well.
SECRET_VALUES = env.sensitive
