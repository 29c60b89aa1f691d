from django.core.exceptions import SuspiciousFileOperation

from shared_apps.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)


class UnknownHostError(NotFoundError):
    code = "tenants.unknown_host"
    message = "No tenant answers at this address."


class TenantNotFoundError(NotFoundError):
    code = "tenants.not_found"
    message = "There is no such tenant."


class TenantSuspendedError(ForbiddenError):
    code = "tenants.suspended"
    message = "This tenant is suspended."


class TenantNotReadyError(UnavailableError):
    code = "tenants.not_ready"
    message = "This tenant is being set up."


class FilesPlaceMissingError(UnavailableError):
    code = "tenants.files_place_missing"
    message = (
        "FILES_ROOT is not set in this process. Set it as for web and workers; where no files are kept,"
        " to an empty directory."
    )


class SchemaBehindError(UnavailableError):
    code = "tenants.schema_behind"
    message = "This tenant is being upgraded; try again in a moment."


class TenantBusyError(UnavailableError):
    code = "tenants.busy"
    message = "This tenant has as many requests at work as it may."
    retry_after = 1


class TenantGoneError(NotFoundError):
    code = "tenants.gone"
    message = "This tenant is no longer served."


class TenantNameError(InvalidError):
    code = "tenants.invalid_name"
    message = (
        "A tenant's name is 1 to 40 lower-case letters, digits and hyphens; "
        "it starts with a letter and does not end with a hyphen."
    )


class ReservedNameError(InvalidError):
    code = "tenants.reserved_name"
    message = "This name is reserved."


class DomainNameError(InvalidError):
    code = "tenants.invalid_domain"
    message = "This is not a host name."


class TenantExistsError(ConflictError):
    code = "tenants.exists"
    message = "A tenant with this name exists."


class DomainTakenError(ConflictError):
    code = "tenants.domain_taken"
    message = "This domain belongs to a tenant already."


class LimitsError(InvalidError):
    code = "tenants.invalid_limits"
    message = "A limit is a whole number from 1 on."


class StateTransitionError(ConflictError):
    code = "tenants.state"
    message = "The tenant's state does not allow this."


class FileNameError(InvalidError, SuspiciousFileOperation):
    code = "tenants.invalid_file_name"
    message = "This is not a name that a file can have."


class StorageFullError(ConflictError):
    code = "tenants.storage_full"
    message = "There is no room for this file. Delete others, or ask for more."


class FileMissingError(NotFoundError):
    code = "tenants.file_not_found"
    message = "There is no such file."


class FileLinkError(ForbiddenError):
    code = "tenants.invalid_file_link"
    message = "This address is not valid here."


class FileLinkExpiredError(ForbiddenError):
    code = "tenants.file_link_expired"
    message = "This address is not valid any more."


class TaskRefusedError(ForbiddenError):
    code = "tenants.task_refused"
    message = "This task is not carried out."


class TenantMismatchError(RuntimeError):
    """Code holds something of one tenant while it works for another. Ours to repair, so a 500."""


class ForeignRowError(NotFoundError):
    code = "tenants.foreign_row"
    message = "There is no such record in this tenant."


class ReadOnlyScopeError(ForbiddenError):
    code = "tenants.read_only"
    message = "A role over several tenants reads; it changes nothing."
