from shared_apps.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError


class EmailError(InvalidError):
    code = "accounts.invalid_email"
    message = "This is not an e-mail address."


class PasswordRejectedError(InvalidError):
    code = "accounts.password_rejected"
    message = "The password does not follow the rules."


class PersonNotFoundError(NotFoundError):
    code = "accounts.person_not_found"
    message = "There is no such person in this tenant."


class RoleExistsError(ConflictError):
    code = "accounts.role_exists"
    message = "This person has a role in this tenant already."


class LastAdminError(ConflictError):
    code = "accounts.last_admin"
    message = "A tenant keeps at least one administrator."


class OwnRoleError(ForbiddenError):
    code = "accounts.own_role"
    message = "Nobody changes their own role."
