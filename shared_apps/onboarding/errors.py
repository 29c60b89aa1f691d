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


class ArchiveVersionError(ConflictError):
    code = "onboarding.archive_version"
    message = "The archive is of another version of the schema; restore it with that version, then migrate."


class DomainMissingError(InvalidError):
    code = "onboarding.domain_missing"
    message = "A tenant that is restored under another name needs a domain of its own."


class RestoreError(ConflictError):
    code = "onboarding.restore_failed"
    message = "The tenant could not be restored."
