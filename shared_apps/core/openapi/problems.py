"""What can be answered instead of a result, as parts of the document that every endpoint refers to."""

from http import HTTPStatus
from typing import Any

from shared_apps.core.problems import CONTENT_TYPE

Schema = dict[str, Any]

HEADERS: dict[str, Schema] = {
    "X-Request-ID": {
        "description": "Of this request, in logs and in the audit trail. A client may send its own.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Limit": {
        "description": "Requests that the narrowest window holds (docs/rate-limits.md).",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Remaining": {
        "description": "Requests that it still has room for.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Reset": {
        "description": "Seconds after which there is room for one more.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Idempotency-Replayed": {
        "description": "`true` on the stored answer to a request that was carried out before.",
        "schema": {"type": "string", "const": "true"},
    },
    "WWW-Authenticate": {
        "description": "How to prove who asks (RFC 9110).",
        "schema": {"type": "string", "examples": ["Bearer"]},
    },
    "ETag": {
        "description": "The row's version and what is shown of it, for `If-Match` and `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Deprecation": {
        "description": "Since when nobody should begin to use this version (RFC 9745).",
        "schema": {"type": "string", "pattern": "^@[0-9]+$"},
    },
    "Sunset": {
        "description": "When this version ends (RFC 8594).",
        "schema": {"type": "string"},
    },
    "Link": {
        "description": '`rel="successor-version"`: the same in the next version.',
        "schema": {"type": "string"},
    },
}
EVERY_ANSWER = ("X-Request-ID", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_HEADERS_OF = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}

PROBLEM: Schema = {
    "type": "object",
    "description": "Why there is no result: a problem body of RFC 9457, with members of our own beside its.",
    "required": [
        "type", "title", "status", "detail", "instance", "success", "error", "code", "details",
        "request_id",
    ],
    "properties": {
        "type": {"type": "string", "description": "`urn:freehold:problem:` and the code."},
        "title": {"type": "string", "description": "The phrase of the status."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "For people."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "success": {"type": "boolean", "const": False},
        "error": {"type": "string", "description": "The same as `detail`."},
        "code": {"type": "string", "description": "For programs; never reworded."},
        "details": {
            "description": "What is wrong with which field: its name and a list of texts; or facts of the code.",
        },
        "request_id": {"type": ["string", "null"]},
    },
    "example": {
        "type": "urn:freehold:problem:invalid",
        "title": "Bad Request",
        "status": 400,
        "detail": "Validation failed",
        "instance": "/api/v1/vendors/",
        "success": False,
        "error": "Validation failed",
        "code": "invalid",
        "details": {"name": ["This field is required."]},
        "request_id": "5f2b8c1e9d3a4f60b7c8d9e0f1a2b3c4",
    },
}  # fmt: skip

_MEANING = {
    400: "What was sent cannot be accepted; `details` says which part.",
    401: "Nobody has proven who asks, or the token is no longer good.",
    403: "The role does not allow it, or the tenant is suspended.",
    404: "It is not there, or it belongs to somebody else.",
    406: "No format that `Accept` allows.",
    409: "The present state forbids it.",
    410: "It was there, and its time is over.",
    412: "It has been changed since it was read.",
    413: "The body is too large.",
    414: "The address is longer than the server reads. There is no problem body: it never reached us.",
    415: "The body is of another type than the endpoint reads.",
    422: "The key was used for another request.",
    428: "The request must say which state it changes.",
    429: "Too many requests.",
    503: "Something is not available at the moment.",
}
STATUSES = tuple(_MEANING)
_NOT_OURS = (414,)


def name_of(status: int) -> str:
    """`404` → `NotFound`."""
    return HTTPStatus(status).name.title().replace("_", "")


def response_to(status: int) -> Schema:
    return {"$ref": f"#/components/responses/{name_of(status)}"}


def header_ref(name: str) -> Schema:
    return {"$ref": f"#/components/headers/{name}"}


def components() -> Schema:
    """The problem, its answers and the headers, by name."""
    return {
        "headers": HEADERS,
        "schemas": {"Problem": PROBLEM},
        "responses": {name_of(status): _response(status) for status in STATUSES},
    }


def _response(status: int) -> Schema:
    if status in _NOT_OURS:
        return {"description": _MEANING[status]}
    names = (*EVERY_ANSWER, *_HEADERS_OF.get(status, ()))
    return {
        "description": _MEANING[status],
        "headers": {name: header_ref(name) for name in names},
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
