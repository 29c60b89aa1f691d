from shared_apps.core.errors import (
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
)


class NoDirectoryError(ConflictError):
    code = "directory_sync.no_directory"
    message = "This tenant's people are in no directory."


class ListingRunningError(ConflictError):
    """`id` in its details."""

    code = "directory_sync.listing_running"
    message = "The directory is being read already."


class PreviewNotFoundError(NotFoundError):
    code = "directory_sync.preview_not_found"
    message = "There is no such preview."


class ItemNotFoundError(NotFoundError):
    code = "directory_sync.item_not_found"
    message = "There is no such item in this preview."


class StateError(ConflictError):
    """`state` in its details: the present one."""

    code = "directory_sync.state"
    message = "The preview's state does not allow this."


class PreviewExpiredError(GoneError):
    code = "directory_sync.preview_expired"
    message = "This preview is too old. Make another one."


class OtherPlanError(ConflictError):
    code = "directory_sync.other_plan"
    message = "The preview is not what you have seen any more. Look at it again."


class DriftError(ConflictError):
    """`record` and `side` in its details."""

    code = "directory_sync.drift"
    message = "Something has changed since the preview. Make another one."


class DangerousError(ConflictError):
    """`dangers` in its details."""

    code = "directory_sync.dangerous"
    message = "This would shut out too many people. Give a reason to have it done all the same."


class FourEyesError(ForbiddenError):
    code = "directory_sync.four_eyes"
    message = "Whoever asked for a preview does not approve it here."


class FieldUnknownError(InvalidError):
    code = "directory_sync.field_unknown"
    message = "The item has no such field."


class ApplyFailedError(ConflictError):
    """`record` in its details."""

    code = "directory_sync.apply_failed"
    message = "A record could not be written, so nothing was."
