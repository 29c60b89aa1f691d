"""Tenants, for operators at the public host. The body of a tenant is its entry in tenants.yaml."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.authn import trying
from shared_apps.core import context
from shared_apps.core.pagination import PagePagination
from shared_apps.core.rate_limits.rates import RateClass
from shared_apps.core.references import Secrets
from shared_apps.core.serializers import InputSerializer
from shared_apps.onboarding import (
    answers,
    openapi,
    selectors,
    serializers,
    services,
    sign_in,
)
from shared_apps.onboarding.declaration import validation
from shared_apps.onboarding.deleting import DEFAULT_GRACE
from shared_apps.onboarding.models import Run
from shared_apps.onboarding.permissions import IsOperator
from shared_apps.tenants import selectors as tenants_read


class OperatorView(APIView):
    permission_classes = [IsOperator]


class TenantListView(OperatorView):
    @extend_schema(responses=serializers.TenantSummarySerializer(many=True))
    def get(self, request: Request) -> Response:
        paginator = PagePagination()
        with context.operator():
            page = paginator.paginate_queryset(tenants_read.list_tenants(), request, view=self)
            rendered = [answers.tenant_summary(tenant) for tenant in page or []]
        return paginator.get_paginated_response(rendered)

    @extend_schema(request=openapi.DECLARATION, responses={202: serializers.RunSerializer})
    def post(self, request: Request) -> Response:
        run = services.request_tenant(declared=_mapping(request), at=timezone.now())
        return _accepted(request, run)


class TenantView(OperatorView):
    @extend_schema(responses=serializers.TenantSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(answers.tenant_whole(tenants_read.get_tenant(slug=slug)))

    @extend_schema(request=openapi.CHANGES, responses=serializers.TenantSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        changes = _mapping(request)
        fixed = {
            "slug": "A tenant is renamed by its own command.",
            "state": "Use suspend/ and resume/.",
            "auth": "Sign-in is changed at its own address.",
        }
        refused = {name: [text] for name, text in fixed.items() if name in changes}
        if refused:
            raise ValidationError(refused)
        tenant = services.revise_tenant(
            slug=slug,
            changes=changes,
            secrets=_secrets(),
            at=timezone.now(),
        )
        return Response(answers.tenant_whole(tenant))


class TenantSuspendView(OperatorView):
    @extend_schema(request=serializers.ReasonInput, responses=serializers.TenantSerializer)
    def post(self, request: Request, slug: str) -> Response:
        tenant = services.suspend_tenant(slug=slug, reason=_reason(request), at=timezone.now())
        return Response(answers.tenant_whole(tenant))


class TenantResumeView(OperatorView):
    @extend_schema(request=serializers.ReasonInput, responses=serializers.TenantSerializer)
    def post(self, request: Request, slug: str) -> Response:
        tenant = services.resume_tenant(slug=slug, reason=_reason(request), at=timezone.now())
        return Response(answers.tenant_whole(tenant))


class TenantArchiveView(OperatorView):
    @extend_schema(request=serializers.ReasonInput, responses=serializers.TenantSerializer)
    def post(self, request: Request, slug: str) -> Response:
        tenant = services.archive_tenant(slug=slug, reason=_reason(request), at=timezone.now())
        return Response(answers.tenant_whole(tenant))


class TenantTakeBackView(OperatorView):
    """Out of the archive, also before it is deleted."""

    @extend_schema(request=serializers.ReasonInput, responses=serializers.TenantSerializer)
    def post(self, request: Request, slug: str) -> Response:
        tenant = services.take_back_tenant(slug=slug, reason=_reason(request), at=timezone.now())
        return Response(answers.tenant_whole(tenant))


class TenantRenameView(OperatorView):
    @extend_schema(request=serializers.MoveInput, responses={202: serializers.RunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        given = _validated(serializers.MoveInput(data=request.data))
        run = services.request_rename(
            slug=slug, to=given["slug"], domains=given["domains"], at=timezone.now()
        )
        return _accepted(request, run)


class TenantCloneView(OperatorView):
    @extend_schema(request=serializers.MoveInput, responses={202: serializers.RunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        given = _validated(serializers.MoveInput(data=request.data))
        run = services.request_clone(
            slug=slug, to=given["slug"], domains=given["domains"], at=timezone.now()
        )
        return _accepted(request, run)


class TenantExportView(OperatorView):
    rate_class = RateClass.EXPORT

    @extend_schema(request=serializers.ExportInput, responses={202: serializers.RunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        given = _validated(serializers.ExportInput(data=request.data))
        run = services.request_export(slug=slug, archive=given["archive"], at=timezone.now())
        return _accepted(request, run)


class TenantDeleteView(OperatorView):
    @extend_schema(request=serializers.DeletionInput, responses={202: serializers.RunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        body = serializers.DeletionInput(data=request.data, context={"slug": slug})
        given = _validated(body)
        run = services.request_deletion(
            slug=slug,
            reason=given["reason"],
            grace=given.get("grace", DEFAULT_GRACE),
            archive=given["archive"],
            without_backup=given["without_backup"],
            is_immediate=given["now"],
            at=timezone.now(),
        )
        return _accepted(request, run)


class TenantAuthBackendView(OperatorView):
    """Where a tenant's people prove who they are: `auth` of tenants.yaml, read without the secrets."""

    @extend_schema(responses=serializers.AuthSerializer)
    def get(self, request: Request, slug: str) -> Response:
        tenant = tenants_read.get_tenant(slug=slug)
        return Response(sign_in.describe(tenant_id=tenant.id))

    @extend_schema(request=openapi.AUTH, responses=serializers.AuthSerializer)
    def put(self, request: Request, slug: str) -> Response:
        described = sign_in.change_remotely(
            slug=slug, declared=_mapping(request), secrets=_secrets(), at=timezone.now()
        )
        return Response(described)


class TenantAuthTestView(OperatorView):
    """The connection, and somebody's credentials if any are sent; opens no session."""

    @extend_schema(
        request=serializers.SignInTrialInput, responses=serializers.SignInTrialSerializer
    )
    def post(self, request: Request, slug: str) -> Response:
        given = _validated(serializers.SignInTrialInput(data=request.data))
        tenant = tenants_read.get_tenant(slug=slug)
        steps = list(trying.try_connection(tenant_id=tenant.id))
        is_connected = all(step.ok for step in steps)
        trial = None
        if is_connected and given["username"] is not None:
            trial = trying.try_sign_in(
                tenant_id=tenant.id, username=given["username"], password=given["password"]
            )
        return Response(
            {
                "ok": is_connected and (trial is None or trial.is_proven),
                "steps": [asdict(step) for step in steps],
                "sign_in": asdict(trial) if trial else None,
            }
        )


class RestoreView(OperatorView):
    """The tenant of an archive, made anew."""

    @extend_schema(request=serializers.RestoreInput, responses={202: serializers.RunSerializer})
    def post(self, request: Request) -> Response:
        given = _validated(serializers.RestoreInput(data=request.data))
        run = services.request_restore(
            archive=given["archive"],
            slug=given["slug"],
            domains=given["domains"],
            until=given["until"],
            at=timezone.now(),
        )
        return _accepted(request, run)


class FleetMigrateView(OperatorView):
    """All tenants, to the version of the provisioner's code."""

    @extend_schema(request=serializers.NothingInput, responses={202: serializers.RunSerializer})
    def post(self, request: Request) -> Response:
        _validated(serializers.NothingInput(data=request.data))
        return _accepted(request, services.request_migration(at=timezone.now()))


class TenantRetryView(OperatorView):
    """Complete a tenant whose provisioning failed."""

    @extend_schema(request=None, responses={202: serializers.RunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        return _accepted(request, services.retry_tenant(slug=slug, at=timezone.now()))


class RunListView(OperatorView):
    """What operators asked for, the latest first."""

    @extend_schema(responses=serializers.RunHeadSerializer(many=True))
    def get(self, request: Request) -> Response:
        paginator = PagePagination()
        with context.operator():
            page = paginator.paginate_queryset(selectors.list_requests(), request, view=self)
            rendered = [answers.run_head(run) for run in page or []]
        return paginator.get_paginated_response(rendered)


class RunView(OperatorView):
    @extend_schema(responses=serializers.RunSerializer)
    def get(self, request: Request, run_id: UUID) -> Response:
        return Response(answers.run_whole(selectors.get_run(run_id=run_id)))


class SchemaView(APIView):
    """The JSON Schema of tenants.yaml, for editors, which do not sign in."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response(validation.schema())


def _secrets() -> Secrets:
    return Secrets(environment=os.environ, directory=Path())


def _mapping(request: Request) -> Mapping[str, Any]:
    if not isinstance(request.data, dict):
        raise ValidationError({"body": ["A JSON object is required."]})
    return request.data


def _validated(body: InputSerializer) -> dict[str, Any]:
    body.is_valid(raise_exception=True)
    given: dict[str, Any] = body.validated_data
    return given


def _reason(request: Request) -> str:
    reason: str = _validated(serializers.ReasonInput(data=request.data))["reason"]
    return reason


def _accepted(request: Request, run: Run) -> Response:
    location = reverse(
        f"{request.version}:onboarding:run", args=[run.id], urlconf="config.urls_public"
    )
    return Response(
        answers.run_whole(run), status=status.HTTP_202_ACCEPTED, headers={"Location": location}
    )
