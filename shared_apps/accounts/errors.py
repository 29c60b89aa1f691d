from shared_apps.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)


class EmailError(InvalidError):
    code = "accounts.invalid_email"
    message = "This is not an e-mail address."


class PasswordRejectedError(InvalidError):
    code = "accounts.password_rejected"
    message = "The password does not follow the rules."


class WrongPasswordError(InvalidError):
    code = "accounts.wrong_password"
    message = "This is not the present password."


class PasswordChecksBusyError(UnavailableError):
    code = "accounts.password_checks_busy"
    message = "Too many passwords are being checked at the moment."


class PersonNotFoundError(NotFoundError):
    code = "accounts.person_not_found"
    message = "There is no such person in this tenant."


class PersonExistsError(ConflictError):
    code = "accounts.person_exists"
    message = "A person with this e-mail address exists."


class PersonHasRolesError(ConflictError):
    code = "accounts.person_has_roles"
    message = "This person has a role somewhere."


class RoleExistsError(ConflictError):
    code = "accounts.role_exists"
    message = "This person has a role in this tenant already."


class LastAdminError(ConflictError):
    code = "accounts.last_admin"
    message = "A tenant keeps at least one administrator."


class TenantOrphanedError(ConflictError):
    code = "accounts.tenant_orphaned"
    message = "Nobody else administers these tenants; give somebody the role first."


class LastOperatorError(ConflictError):
    code = "accounts.last_operator"
    message = "Nobody else operates the installation."


class OwnRoleError(ForbiddenError):
    code = "accounts.own_role"
    message = "Nobody changes their own role."


class RoleOfDirectoryError(ConflictError):
    code = "accounts.role_of_directory"
    message = (
        "The directory's groups give this role: take the person out of the group there, or give"
        " another role here."
    )


class SignInNotControlledError(ForbiddenError):
    code = "accounts.sign_in_not_controlled"
    message = "A role over several tenants is given only to people whom an operator created."


class GrantNotFoundError(NotFoundError):
    code = "accounts.grant_not_found"
    message = "This person has no such grant."
