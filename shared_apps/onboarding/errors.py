from shared_apps.core.errors import ConflictError, InvalidError, NotFoundError, UnavailableError


class ProvisioningError(ConflictError):
    code = "onboarding.provisioning_failed"
    message = "The tenant could not be set up."


class ApplyRunningError(ConflictError):
    code = "onboarding.apply_running"
    message = "Another apply is running; wait for it, then plan again."


class NotUndoableError(ConflictError):
    code = "onboarding.not_undoable"
    message = "Only a tenant whose provisioning failed can be undone."


class RunNotFoundError(NotFoundError):
    code = "onboarding.run_not_found"
    message = "There is no such run."


class ReasonMissingError(InvalidError):
    code = "onboarding.reason_missing"
    message = "A reason is needed: people who are turned away read it."


class ArchiveInvalidError(InvalidError):
    code = "onboarding.archive_invalid"
    message = "This is not an archive of a tenant."


class ArchiveExistsError(ConflictError):
    code = "onboarding.archive_exists"
    message = "There is a file of this name already."


class ArchiveWriteError(UnavailableError):
    code = "onboarding.archive_write"
    message = "The archive could not be written."


class SchemaNotCurrentError(ConflictError):
    code = "onboarding.schema_not_current"
    message = "The tenant's schema is not at this version; run `manage.py fleet migrate` first."


class BackupMissingError(ConflictError):
    code = "onboarding.backup_missing"
    message = "A tenant is deleted with a backup: name its file, or say that there shall be none."


class BackupUnsuitableError(ConflictError):
    code = "onboarding.backup_unsuitable"
    message = "This archive is not one of the tenant as it is now."


class NotDueError(ConflictError):
    code = "onboarding.not_due"
    message = "The tenant's time has not come."


class TrailPendingError(UnavailableError):
    code = "onboarding.trail_pending"
    message = (
        "The tenant's last changes are not in the audit database yet. "
        "See that `manage.py audit relay` runs; the deletion goes on by itself or with `tenant purge`."
    )


class TrailUnfitError(ConflictError):
    code = "onboarding.trail_unfit"
    message = "The trail does not lead from this archive to that moment."


class MomentInvalidError(InvalidError):
    code = "onboarding.moment_invalid"
    message = "The tenant cannot be restored to that moment."


class PassphraseWrongError(InvalidError):
    code = "onboarding.passphrase_wrong"
    message = "The secrets of the archive do not open with this passphrase."


class PassphraseMissingError(InvalidError):
    code = "onboarding.passphrase_missing"
    message = "The archive holds no secrets, so there is nothing that a passphrase would open."


class SecretsUnreadableError(UnavailableError):
    code = "onboarding.secrets_unreadable"
    message = "The tenant's secrets were sealed with a key that is not in AUTH_ENCRYPTION_KEYS."


class ArchiveVersionError(ConflictError):
    code = "onboarding.archive_version"
    message = "The archive is of another version of the schema; restore it with that version, then migrate."


class DomainMissingError(InvalidError):
    code = "onboarding.domain_missing"
    message = "A tenant that is restored under another name needs a domain of its own."


class ErasureRunningError(ConflictError):
    code = "onboarding.erasure_running"
    message = "A person is being erased, or a tenant restored; wait for it and try again."


class PersonUnknownError(NotFoundError):
    code = "onboarding.person_unknown"
    message = "Nobody has this address, and no tenant's rows hold it. Nothing was changed."


class TombstoneUnreadableError(ConflictError):
    code = "onboarding.tombstone_unreadable"
    message = (
        "People were erased since this archive was made, under a SECRET_KEY that is not known here, and "
        "it could bring them back. Put that key into SECRET_KEY_FALLBACKS (--despite-lost-key: do it anyway)."
    )


class RestoreError(ConflictError):
    code = "onboarding.restore_failed"
    message = "The tenant could not be restored."


class NotShardedError(ConflictError):
    code = "onboarding.not_sharded"
    message = (
        "Tenants move between nodes of a Citus cluster only, and DATABASE_SHARDING is not citus."
    )


class NodeUnknownError(InvalidError):
    code = "onboarding.node_unknown"
    message = "There is no such node."


class NotMovableError(ConflictError):
    code = "onboarding.not_movable"
    message = "The tenant cannot be moved."


class MoveFailedError(ConflictError):
    code = "onboarding.move_failed"
    message = "The tenant was not moved."


class CommandUnknownError(InvalidError):
    code = "onboarding.command_unknown"
    message = "There is no such command."


class CommandNotForTenantsError(ConflictError):
    code = "onboarding.command_not_for_tenants"
    message = "This command is for the whole installation, not for a tenant."


class TenantStateError(ConflictError):
    code = "onboarding.tenant_state"
    message = "The tenant's state does not allow this."


class HalfRestoredError(ConflictError):
    code = "onboarding.half_restored"
    message = (
        "What there is of this tenant was left by a restore that died; "
        "remove it by `tenant undo-failed`."
    )


class RunOpenError(ConflictError):
    code = "onboarding.run_open"
    message = "Something is under way with this tenant; wait until that run has ended."


class DeletionScheduledError(ConflictError):
    code = "onboarding.deletion_scheduled"
    message = "The tenant is going to be deleted already; take it back to change the date."


class ArchiveNameError(InvalidError):
    code = "onboarding.archive_name"
    message = (
        "An archive is named by 1 to 200 letters, digits, dots, hyphens and underscores, "
        "beginning with a letter or digit."
    )


class ArchivesRootMissingError(UnavailableError):
    code = "onboarding.archives_root_missing"
    message = "The provisioner has no directory for archives: set ARCHIVES_ROOT on its host."


class FleetNotMigratedError(ConflictError):
    code = "onboarding.fleet_not_migrated"
    message = "Not every tenant is at this version; `manage.py fleet status` names them."
