"""Tenants that come and go: shared_apps/onboarding."""

from config.env import env

# How long the deletion of a tenant waits for the relay to move its last changes; then it is left to the
# next `tenant purge`.
DELETION_WAIT_SECONDS = env.integer("DELETION_WAIT_SECONDS", default=15, low=0, high=3600)
# What seals the secrets in archives made `--with-secrets`, and opens them at the restore.
ARCHIVE_PASSPHRASE = env.text("ARCHIVE_PASSPHRASE", default="")
