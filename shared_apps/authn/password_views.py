"""New passwords and new people: changed, reset by mail, registered."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.accounts.choices import Permission
from shared_apps.accounts.emails import validated_email
from shared_apps.authn import (
    mail_requests,
    password_changing,
    password_resetting,
    registering,
    serializers,
)
from shared_apps.authn.authentication import requested_tenant_id
from shared_apps.authn.permissions import IsThemselves
from shared_apps.authn.selectors import SignIn
from shared_apps.authn.views import OpenView, validated
from shared_apps.core import attribution, context
from shared_apps.core.execution import Execution
from shared_apps.core.rate_limits.rates import RateClass


class PasswordChangeView(APIView):
    """For anybody who is signed in, or was told at the sign-in to change the password first."""

    # A wrong password is counted, and a directory may be asked.
    execution = Execution.PLAIN
    permission_classes = [AllowAny]

    @extend_schema(request=serializers.PasswordChangeInput, responses={204: None})
    def post(self, request: Request) -> Response:
        has_ticket = isinstance(request.data, Mapping) and "ticket" in request.data
        if not has_ticket:
            IsThemselves().has_permission(request, self)
        given = validated(serializers.PasswordChangeInput, request)
        at = timezone.now()
        if has_ticket:
            del given["keep_current"]
            password_changing.change_due_password(tenant_id=requested_tenant_id(), at=at, **given)
        else:
            assert isinstance(request.auth, SignIn)
            password_changing.change_password(sign_in=request.auth, at=at, **given)
        return Response(status=status.HTTP_204_NO_CONTENT)


class PasswordResetView(OpenView):
    """The same answer whoever is asked for, after the same work."""

    rate_class = RateClass.LOGIN

    @extend_schema(request=serializers.PasswordResetInput, responses={202: None})
    def post(self, request: Request) -> Response:
        email = validated(serializers.PasswordResetInput, request)["email"]
        mail_requests.ask_for(mail_requests.RESET_TASK, email=email, ip=attribution.current().ip)
        return Response(status=status.HTTP_202_ACCEPTED)


class PasswordResetConfirmView(OpenView):
    rate_class = RateClass.LOGIN

    @extend_schema(request=serializers.PasswordResetConfirmInput, responses={204: None})
    def post(self, request: Request) -> Response:
        given = validated(serializers.PasswordResetConfirmInput, request)
        password_resetting.reset_password(
            tenant_id=requested_tenant_id(), at=timezone.now(), **given
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class RegistrationView(OpenView):
    rate_class = RateClass.LOGIN

    @extend_schema(request=serializers.RegistrationInput, responses={202: None, 403: None})
    def post(self, request: Request) -> Response:
        tenant_id = requested_tenant_id()
        registering.require_open(tenant_id=tenant_id)
        email = validated_email(validated(serializers.RegistrationInput, request)["email"])
        registering.require_open(tenant_id=tenant_id, email=email)
        mail_requests.ask_for(
            mail_requests.REGISTRATION_TASK, email=email, ip=attribution.current().ip
        )
        return Response(status=status.HTTP_202_ACCEPTED)


class RegistrationConfirmView(OpenView):
    rate_class = RateClass.LOGIN

    @extend_schema(
        request=serializers.RegistrationConfirmInput,
        responses={201: serializers.RegisteredSerializer, 403: None},
    )
    def post(self, request: Request) -> Response:
        tenant_id = requested_tenant_id()
        registering.require_open(tenant_id=tenant_id)
        assert tenant_id is not None  # closed elsewhere
        given = validated(serializers.RegistrationConfirmInput, request)
        is_new = registering.confirm(tenant_id=tenant_id, at=timezone.now(), **given)
        return Response(
            {"account": "new" if is_new else "existing"}, status=status.HTTP_201_CREATED
        )


class UserPasswordResetView(APIView):
    """For administrators: one of their people has to choose a new password."""

    required_permissions: ClassVar[Mapping[str, Permission]] = {"POST": Permission.ADMIN}

    @extend_schema(request=None, responses={202: None})
    def post(self, request: Request, user_id: UUID) -> Response:
        tenant_id = context.require_tenant().id
        password_resetting.demand_reset(
            tenant_id=tenant_id, user_id=user_id, by=request.user.pk, at=timezone.now()
        )
        return Response(status=status.HTTP_202_ACCEPTED)
