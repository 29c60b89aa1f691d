"""Errors as RFC 9457 problem bodies: the one place that knows which HTTP status an error has."""

import logging
from http import HTTPStatus
from typing import Any

import psycopg
import redis
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFilesSent,
)
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from psycopg import errors as postgres
from rest_framework import exceptions
from rest_framework.response import Response

from shared_apps.core import attribution, context
from shared_apps.core import errors as app

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

_STATUS_OF_KIND: list[tuple[type[app.AppError], int]] = [
    (app.InvalidError, 400),
    (app.UnauthenticatedError, 401),
    (app.ForbiddenError, 403),
    (app.NotFoundError, 404),
    (app.ConflictError, 409),
    (app.GoneError, 410),
    (app.PreconditionFailedError, 412),
    (app.PreconditionRequiredError, 428),
    (app.LimitedError, 429),
    (app.UnavailableError, 503),
]


def problem(
    *, status: int, error: str, code: str, instance: str, details: Any = None
) -> dict[str, Any]:
    """The members of RFC 9457 and the product's own beside them."""
    return {
        "type": f"urn:freehold:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error,
        "instance": instance,
        "success": False,
        "error": error,
        "code": code,
        "details": {} if details is None else details,
        "request_id": attribution.current().request_id,
    }


def problem_response(
    request: HttpRequest, *, status: int, error: str, code: str, details: Any = None,
    headers: dict[str, str] | None = None,
) -> JsonResponse:  # fmt: skip
    body = problem(status=status, error=error, code=code, instance=request.path, details=details)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE, headers=headers)


def describe(error: Exception) -> dict[str, Any] | None:
    """Status, text, code, details and headers of an expected error; None when it is a defect."""
    match error:
        case app.AppError():
            status = next(code for kind, code in _STATUS_OF_KIND if isinstance(error, kind))
            return _description(status, error.text, error.code, error.details, _headers_of(error))
        case exceptions.ValidationError():
            return _description(400, "Validation failed", "invalid", error.detail)
        case exceptions.APIException():
            return _describe_framework_error(error)
        case Http404():
            return _description(404, "Not found.", "not_found")
        case PermissionDenied():
            return _description(403, "Insufficient permissions", "permission_denied")
        case RequestDataTooBig() | TooManyFilesSent():
            return _description(413, "The request body is too large.", "too_large")
        case SuspiciousOperation():
            return _description(400, "Bad request.", "bad_request")
        case redis.ConnectionError() | redis.TimeoutError():
            retry = {"Retry-After": str(app.UnavailableError.retry_after)}
            return _description(
                503, "The service is temporarily unavailable.", "unavailable", headers=retry
            )
        case DatabaseError() | InterfaceError():
            return _describe_database_error(error)
    return None


def _headers_of(error: app.AppError) -> dict[str, str]:
    match error:
        case app.UnavailableError() | app.LimitedError():
            return {"Retry-After": str(error.retry_after)}
        case app.UnauthenticatedError():
            return {"WWW-Authenticate": "Bearer"}  # RFC 9110 asks for it with every 401
    return {}


def _description(
    status: int, error: str, code: str, details: Any = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "status": status,
        "error": error,
        "code": code,
        "details": details,
        "headers": headers or {},
    }


def _describe_framework_error(error: exceptions.APIException) -> dict[str, Any]:
    headers: dict[str, str] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else error.default_code
    text = error.detail if isinstance(error.detail, str) else error.default_detail
    return _description(error.status_code, str(text), code, headers=headers)


# What PostgreSQL refused, by its SQLSTATE's class: status, text and code.
_DATABASE_ERRORS: list[tuple[tuple[type[psycopg.Error], ...], tuple[int, str, str]]] = [
    ((postgres.UniqueViolation,), (409, "This already exists.", "already_exists")),
    (
        (postgres.ForeignKeyViolation, postgres.RestrictViolation),
        (409, "Other records refer to this one.", "in_use"),
    ),
    (
        (postgres.CheckViolation, postgres.NotNullViolation, postgres.ExclusionViolation),
        (409, "A rule of the data forbids this.", "constraint_violated"),
    ),
    (
        (postgres.NumericValueOutOfRange, postgres.StringDataRightTruncation),
        (400, "A value is too large.", "out_of_range"),
    ),
    (
        (postgres.QueryCanceled,),
        (503, "A statement took longer than it may.", "statement_timeout"),
    ),
    (
        (postgres.LockNotAvailable, postgres.IdleInTransactionSessionTimeout),
        (503, "The request took too long.", "timeout"),
    ),
    (
        (postgres.SerializationFailure, postgres.DeadlockDetected),
        (503, "The request collided with another one.", "collision"),
    ),
]


# What our own functions in the database refuse.
_OWN_STATES = {
    "FH001": (
        503,
        "Changes are refused until the earlier ones are in the audit database.",
        "audit.backlog_full",
    ),
}


def _describe_database_error(error: Exception) -> dict[str, Any] | None:
    """What PostgreSQL refused or could not do; None for what only a defect can cause."""
    cause = error.__cause__
    for kinds, described in _DATABASE_ERRORS:
        if isinstance(cause, kinds):
            return _of_database(*described)
    if own := _OWN_STATES.get(getattr(cause, "sqlstate", None) or ""):
        return _of_database(*own)
    if isinstance(cause, postgres.UndefinedTable) and isinstance(
        context.current(), context.TenantIdentity
    ):
        # Its schema was dropped, or code is ahead of its migrations.
        return _of_database(503, "The tenant's data are not there.", "schema_unavailable")
    if isinstance(cause, psycopg.Error) and _is_about_the_role(cause):
        # Dropped by hand, or taken away from this login: `manage.py doctor` names it.
        return _of_database(503, "The database does not know this tenant.", "context_refused")
    if isinstance(error, OperationalError | InterfaceError):
        # Stopped, unreachable, out of connections or out of disk: not the client's doing.
        return _of_database(503, "The database is not available.", "database_unavailable")
    return None


def _of_database(status: int, error: str, code: str) -> dict[str, Any]:
    headers = {"Retry-After": str(app.UnavailableError.retry_after)} if status == 503 else None
    return _description(status, error, code, headers=headers)


def _is_about_the_role(error: psycopg.Error) -> bool:
    """SET ROLE was refused. Its errors have codes that others have too, but come from one place."""
    return error.diag.source_function in ("call_string_check_hook", "check_role")


def exception_handler(error: Exception, view_context: dict[str, Any]) -> Response | None:
    """The REST framework's hook. A defect returns None and goes on to `RequestContextMiddleware`."""
    described = describe(error)
    if described is None:
        return None
    if described["status"] >= 500:
        logger.error("Request refused: %s", described["code"], exc_info=error)
    headers = described.pop("headers")
    body = problem(instance=view_context["request"].path, **described)
    return Response(body, status=described["status"], headers=headers, content_type=CONTENT_TYPE)
