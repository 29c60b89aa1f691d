from shared_apps.core.errors import ConflictError, InvalidError, NotFoundError


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
