from shared_apps.core.errors import ConflictError, InvalidError


class BackupError(ConflictError):
    """The text says why there is no backup now; nothing is left of it."""

    code = "operations.backup"
    message = "The backup could not be made."


class BackupInvalidError(InvalidError):
    """The text says what is wrong with a backup that is there."""

    code = "operations.backup_invalid"
    message = "This is not a whole backup."


class RestoreRefusedError(ConflictError):
    """The text says why, and what to do; nothing was changed."""

    code = "operations.restore_refused"
    message = "The backup is not restored here."


class RestoreError(ConflictError):
    """The text says what failed; what was there before is still in its place."""

    code = "operations.restore"
    message = "The backup could not be restored."


class ToolError(InvalidError):
    code = "operations.tool"
    message = "A program of PostgreSQL is missing."


class BundleError(ConflictError):
    """The text says why there is no bundle."""

    code = "operations.bundle"
    message = "The support bundle could not be made."
