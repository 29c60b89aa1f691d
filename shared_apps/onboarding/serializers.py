from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from shared_apps.core.errors import AppError
from shared_apps.core.fields import OpaqueField, TextField
from shared_apps.core.serializers import InputSerializer
from shared_apps.onboarding.archive.replaying import parse_moment
from shared_apps.onboarding.choices import RunAction, RunState, Step, StepState
from shared_apps.onboarding.deleting import parse_grace
from shared_apps.onboarding.runs import archives
from shared_apps.tenants import names
from shared_apps.tenants.choices import TenantState

T = TypeVar("T")


def _lower(choices: type[models.TextChoices]) -> list[str]:
    """States and actions are written in small letters here."""
    return [value.lower() for value in choices.values]


RUN_ACTIONS = _lower(RunAction)
RUN_STATES = _lower(RunState)
STEP_STATES = _lower(StepState)
TENANT_STATES = _lower(TenantState)


class ReasonInput(InputSerializer):
    reason = TextField(max_length=500)


class SlugField(TextField):
    """A name that a tenant may have."""

    def to_internal_value(self, data: Any) -> str:
        return _checked(names.validate_slug, super().to_internal_value(data))


class HostField(TextField):
    """A host name that may lead to a tenant, in canonical form."""

    default_error_messages = {"public": "This is the operators' host."}

    def to_internal_value(self, data: Any) -> str:
        host = _checked(names.canonical_host, super().to_internal_value(data))
        if host == settings.PUBLIC_HOST:
            self.fail("public")
        return host


class ArchiveNameField(TextField):
    """A file of the provisioner's directory; never a path."""

    def to_internal_value(self, data: Any) -> str:
        return _checked(archives.require_name, super().to_internal_value(data))


class GraceField(TextField):
    """`30d`, `12h`."""

    default_error_messages = {"grace": "A number with d or h behind it: 30d, 12h."}

    def to_internal_value(self, data: Any) -> timedelta:  # type: ignore[override]  # a text becomes a time
        grace = parse_grace(super().to_internal_value(data))
        if grace is None:
            self.fail("grace")
        return grace


class MomentField(TextField):
    """A time that says its distance to UTC."""

    def to_internal_value(self, data: Any) -> datetime:  # type: ignore[override]  # a text becomes a time
        return _checked(parse_moment, super().to_internal_value(data))


def _checked(check: Callable[[str], T], value: str) -> T:
    try:
        return check(value)
    except AppError as error:
        raise serializers.ValidationError(error.text) from None


def _domains() -> serializers.ListField:
    return serializers.ListField(child=HostField(max_length=253), max_length=50, default=list)


class MoveInput(InputSerializer):
    """Of a tenant that gets another name, or a second one."""

    slug = SlugField(max_length=40)
    domains = _domains()


class ExportInput(InputSerializer):
    archive = ArchiveNameField(max_length=200, default=None)


class RestoreInput(InputSerializer):
    archive = ArchiveNameField(max_length=200)
    slug = SlugField(max_length=40, default=None)
    domains = _domains()
    until = MomentField(default=None)


class DeletionInput(InputSerializer):
    reason = TextField(max_length=500, default="Deleted by the operator.")
    grace = GraceField(required=False)
    now = serializers.BooleanField(default=False)
    confirm = serializers.CharField(max_length=40, default="")
    archive = ArchiveNameField(max_length=200, default=None)
    without_backup = serializers.BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What cannot be taken back, or leaves nothing to restore, is confirmed by the slug."""
        slug = self.context["slug"]
        if (attrs["now"] or attrs["without_backup"]) and attrs["confirm"] != slug:
            raise serializers.ValidationError({"confirm": [f"Confirm it by {slug}."]})
        if attrs["now"] and "grace" in attrs:
            raise serializers.ValidationError({"grace": ["Either now or with grace."]})
        if attrs["without_backup"] and attrs["archive"]:
            raise serializers.ValidationError({"archive": ["Either a backup or none."]})
        return attrs


class SignInTrialInput(InputSerializer):
    username = OpaqueField(default=None)
    password = OpaqueField(default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["username"] is None) != (attrs["password"] is None):
            raise serializers.ValidationError({"password": ["Send both, or neither."]})
        return attrs


class NothingInput(InputSerializer):
    """No arguments."""


class StepSerializer(serializers.Serializer[Any]):
    step = serializers.ChoiceField(choices=Step.choices)
    state = serializers.SerializerMethodField()
    attempt = serializers.IntegerField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField()

    @extend_schema_field(serializers.ChoiceField(choices=STEP_STATES))
    def get_state(self, step: Any) -> str:
        return str(step.state).lower()


class RunHeadSerializer(serializers.Serializer[Any]):
    """Something that an operator asked for."""

    id = serializers.UUIDField()
    action = serializers.ChoiceField(choices=RUN_ACTIONS)
    arguments = serializers.DictField()
    state = serializers.ChoiceField(choices=RUN_STATES)
    report = serializers.CharField()
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class RunSerializer(RunHeadSerializer):
    """With its progress."""

    steps_done = serializers.IntegerField()
    steps_total = serializers.IntegerField()
    tenants = serializers.ListField(child=serializers.CharField())
    current_step = serializers.ChoiceField(choices=Step.choices, allow_null=True)
    steps = StepSerializer(many=True)


class TenantSummarySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=TENANT_STATES)
    reason = serializers.CharField()
    last_error = serializers.CharField()
    delete_after = serializers.DateTimeField(allow_null=True)
    domains = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()


class AuthSerializer(serializers.Serializer[Any]):
    """`auth` of tenants.yaml without the secrets."""

    backend = serializers.CharField()
    options = serializers.DictField(required=False)
    break_glass = serializers.ListField(child=serializers.CharField(), required=False)

    class Meta:
        ref_name = "TenantAuth"


class _RegistrationSerializer(serializers.Serializer[Any]):
    email_domains = serializers.ListField(child=serializers.CharField())

    class Meta:
        ref_name = "TenantRegistration"


class TenantSerializer(TenantSummarySerializer):
    """With what is declared of it."""

    admins = serializers.ListField(child=serializers.CharField())
    auth = AuthSerializer()
    limits = serializers.DictField(child=serializers.IntegerField())
    features = serializers.DictField(child=serializers.BooleanField())
    registration = _RegistrationSerializer(required=False)


class _TrialStepSerializer(serializers.Serializer[Any]):
    text = serializers.CharField()
    ok = serializers.BooleanField()

    class Meta:
        ref_name = "SignInTrialStep"


class _TrialAnswerSerializer(serializers.Serializer[Any]):
    backend = serializers.CharField()
    is_proven = serializers.BooleanField()
    answer = serializers.CharField(help_text="`ok`, or the code of the refusal.")
    username = serializers.CharField()
    email = serializers.CharField()
    role = serializers.CharField()
    groups = serializers.ListField(child=serializers.CharField())

    class Meta:
        ref_name = "SignInTrialAnswer"


class SignInTrialSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    steps = _TrialStepSerializer(many=True)
    sign_in = _TrialAnswerSerializer(allow_null=True)
