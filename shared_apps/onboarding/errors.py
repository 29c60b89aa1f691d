from shared_apps.core.errors import ConflictError


class ProvisioningError(ConflictError):
    code = "onboarding.provisioning_failed"
    message = "The tenant could not be set up."
