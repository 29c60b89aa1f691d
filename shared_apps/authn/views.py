"""Signing in, staying signed in, signing out; at tenants and at the public host alike."""

import logging
import time
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.authn import selectors, serializers
from shared_apps.authn.authentication import requested_tenant_id
from shared_apps.authn.errors import (
    InvalidCredentialsError,
    NoMembershipError,
    PasswordDueError,
    TooManyAttemptsError,
)
from shared_apps.authn.permissions import IsSignedIn, IsThemselves
from shared_apps.authn.selectors import SignIn
from shared_apps.authn.services import ending, issuing, opening, refreshing, signing_in
from shared_apps.core import answer_floor, attribution, context
from shared_apps.core.pagination import PagePagination
from shared_apps.core.serializers import InputSerializer

logger = logging.getLogger(__name__)

_LONGEST_USER_AGENT = 300


class OpenView(APIView):
    """For those who have no access token, or none that is good any more."""

    authentication_classes = []
    permission_classes = [AllowAny]


class OwnView(APIView):
    """For anybody who is signed in, about themselves; not for whoever works in their name."""

    permission_classes = [IsThemselves]


class LoginView(OpenView):
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self._began_at = time.monotonic()
        super().initial(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if isinstance(exc, InvalidCredentialsError):
            answer_floor.hold(response, began_at=self._began_at)
        return response

    def post(self, request: Request) -> Response:
        credentials = validated(serializers.LoginInput, request)
        try:
            sign_in, pair = signing_in.sign_in(
                tenant_id=requested_tenant_id(),
                client=client_of(request),
                at=timezone.now(),
                **credentials,
            )
        except (
            InvalidCredentialsError,
            NoMembershipError,
            PasswordDueError,
            TooManyAttemptsError,
        ) as error:
            # Without the name that was tried: people type passwords into the wrong field.
            logger.warning("Sign-in refused: %s", error.code)
            raise
        return signed_in(sign_in, pair)


class RefreshView(OpenView):
    def post(self, request: Request) -> Response:
        token = validated(serializers.RefreshInput, request)["refresh"]
        pair = refreshing.refresh(tenant_id=requested_tenant_id(), token=token, at=timezone.now())
        return Response(_rendered(pair), headers=_NOT_STORED)


class LogoutView(OpenView):
    def post(self, request: Request) -> Response:
        token = validated(serializers.RefreshInput, request)["refresh"]
        ending.sign_out(tenant_id=requested_tenant_id(), token=token, at=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class CurrentUserView(APIView):
    """Of everybody who is signed in, and of whoever works in their name."""

    permission_classes = [IsSignedIn]

    def get(self, request: Request) -> Response:
        sign_in = _sign_in(request)
        user = sign_in.user
        return Response(
            {
                "id": user.id,
                "email": user.email,
                "name": user.name,
                "roles": sign_in.roles,
                "permissions": sorted(sign_in.permissions),
                "impersonation": _impersonation(sign_in),
            }
        )


class SessionListView(OwnView):
    def get(self, request: Request) -> Response:
        sign_in = _sign_in(request)
        paginator = PagePagination()
        with context.operator():
            live = selectors.list_live_sessions(
                user_id=sign_in.user.id, tenant_id=sign_in.tenant_id, at=timezone.now()
            )
            page = paginator.paginate_queryset(live, request, view=self)
        rendered = serializers.SessionSerializer(
            page, many=True, context={"current": sign_in.session_id}
        )
        return paginator.get_paginated_response(rendered.data)


class SessionView(OwnView):
    def delete(self, request: Request, session_id: Any) -> Response:
        sign_in = _sign_in(request)
        ending.end_session(
            session_id=session_id,
            user_id=sign_in.user.id,
            tenant_id=sign_in.tenant_id,
            at=timezone.now(),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class PasswordInfoView(OwnView):
    def get(self, request: Request) -> Response:
        sign_in = _sign_in(request)
        info = signing_in.get_password_info(sign_in=sign_in, at=timezone.now())
        return Response(asdict(info))


# RFC 6749, section 5.1: no cache keeps a token.
_NOT_STORED = {"Cache-Control": "no-store"}


def validated(kind: type[InputSerializer], request: Request) -> dict[str, Any]:
    body = kind(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


def _rendered(pair: issuing.TokenPair) -> dict[str, Any]:
    return {"access": pair.access, "refresh": pair.refresh, "expires_in": pair.expires_in}


def _impersonation(sign_in: SignIn) -> dict[str, Any] | None:
    """What a banner says."""
    by = sign_in.impersonator
    if by is None:
        return None
    return {
        "impersonated_by": {"id": by.id, "email": by.email},
        "reason": by.reason,
        "ends_at": by.ends_at,
        "write": by.may_write,
    }


def _sign_in(request: Request) -> SignIn:
    """What `IsSignedIn` has made sure of."""
    assert isinstance(request.auth, SignIn)
    return request.auth


def signed_in(sign_in: SignIn, pair: issuing.TokenPair) -> Response:
    """What every way to sign in is answered with."""
    scope = context.require()
    tenant = scope if isinstance(scope, context.TenantIdentity) else None
    user = {"id": sign_in.user.id, "email": sign_in.user.email, "roles": sign_in.roles}
    return Response(
        {
            **_rendered(pair),
            "user": user,
            "tenant": {"id": tenant.id, "slug": tenant.slug} if tenant else None,
        },
        headers=_NOT_STORED,
    )


def client_of(request: Request | HttpRequest) -> opening.Client:
    agent = request.headers.get("User-Agent", "")
    printable = "".join(character if character.isprintable() else "?" for character in agent)
    return opening.Client(ip=attribution.current().ip, user_agent=printable[:_LONGEST_USER_AGENT])
