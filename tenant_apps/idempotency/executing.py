"""The way of a writing request through its view: one transaction, and one effect for each key."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.views import APIView

from shared_apps.authn.selectors import SignIn
from shared_apps.core import context, transactions
from shared_apps.core.execution import UNSAFE_METHODS, Execution, execution_of
from tenant_apps.idempotency import keys, services
from tenant_apps.idempotency.errors import KeyMissingError
from tenant_apps.idempotency.models import StoredAnswer

REPLAYED: Final = "Idempotency-Replayed"
# Of an answer, what whoever repeats the request needs; the rest belongs to the exchange, not to the result.
_KEPT_HEADERS: Final = (
    "Content-Type", "Content-Language", "Content-Disposition", "Content-Location", "ETag",
    "Last-Modified", "Link", "Location",
)  # fmt: skip
# Nothing was carried out, so the same key may be sent again with a better request or at a better time.
_NOT_BEGUN: Final = frozenset(
    {400, 401, 403, 405, 406, 408, 411, 412, 413, 415, 421, 425, 428, 429, 431, 502, 503, 504}
)

Handler = Callable[..., HttpResponseBase]


class OnceMixin(APIView):
    """Put in front of a view's class by `guarding.py`. Who asks and what they may do is known by then."""

    is_guarded = True

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = request.method or ""
        handler: Handler | None = getattr(self, method.lower(), None)
        if method in UNSAFE_METHODS and handler and context.tenant_id() is not None:
            # What APIView.dispatch calls next.
            setattr(self, method.lower(), _wrapped(self, handler))


@dataclass(frozen=True)
class _Claim:
    """One request, and whose."""

    request: str
    person: UUID
    fingerprint: str
    authority: frozenset[str]


def _wrapped(view: APIView, handler: Handler) -> Handler:
    execution = execution_of(view)

    def run(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        def call() -> HttpResponseBase:
            return handler(request, *args, **kwargs)

        if execution is Execution.PLAIN:
            return call()
        claim = _claim(request, execution)
        if claim is None:
            return transactions.run(call)
        return transactions.run(lambda: _once(view, claim, call))

    return run


def _claim(request: Request, execution: Execution) -> _Claim | None:
    """Raises KeyMissingError, KeyInvalidError; and what is wrong with the body, before anything is done."""
    person: UUID | None = request.user.pk if request.user else None
    if not execution.is_repeatable or person is None:
        return None
    key = keys.read(request.headers.get(keys.HEADER))
    if key is None:
        if execution is Execution.KEY_REQUIRED:
            raise KeyMissingError
        return None
    return _Claim(
        request=keys.request_digest(
            person=person, method=request.method or "", path=request.path, key=key
        ),
        person=person,
        fingerprint=keys.fingerprint(
            query=request.META.get("QUERY_STRING", ""),
            content_type=request.content_type,
            data=request.data,
        ),
        authority=_authority(request),
    )


def _authority(request: Request) -> frozenset[str]:
    if not isinstance(request.auth, SignIn):
        return frozenset()
    return frozenset({*request.auth.roles, *(p.value for p in request.auth.permissions)})


def _once(view: APIView, claim: _Claim, call: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    stored = services.begin(
        request=claim.request,
        fingerprint=claim.fingerprint,
        authority=claim.authority,
        at=timezone.now(),
    )
    if stored is not None:
        return _replayed(stored)
    response = _answered(view, call)
    if response.status_code not in _NOT_BEGUN:
        services.keep_answer(
            request=claim.request,
            person=claim.person,
            fingerprint=claim.fingerprint,
            authority=claim.authority,
            status=response.status_code,
            headers={name: response[name] for name in _KEPT_HEADERS if name in response},
            body=None if response.streaming else response.content,  # type: ignore[attr-defined]  # of HttpResponse
            at=timezone.now(),
        )
    return response


def _answered(view: APIView, call: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """What the view answers, as it will be sent. A refusal takes back what the view has written."""
    try:
        with transaction.atomic():
            return _rendered(view, call())
    except (OperationalError, InterfaceError):
        # The transaction is lost, or its moment was bad: nothing can be kept, or need be.
        raise
    except Exception as error:  # whatever the view raises is an answer, and is kept as one
        return _rendered(view, view.handle_exception(error))


def _rendered(view: APIView, response: HttpResponseBase) -> HttpResponseBase:
    # It is sent after the commit, and stored before.
    final: HttpResponseBase = view.finalize_response(
        view.request,
        response,  # type: ignore[arg-type]  # it takes any response
        *view.args,
        **view.kwargs,
    )
    if hasattr(final, "render"):
        final.render()
    return final


def _replayed(stored: StoredAnswer) -> HttpResponse:
    response = HttpResponse(stored.body.encode(), status=stored.status)
    del response["Content-Type"]
    for name, value in stored.headers.items():
        response[name] = value
    response[REPLAYED] = "true"
    return response
