from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from rest_framework import serializers

from shared_apps.core.errors import AppError
from shared_apps.core.fields import OpaqueField, TextField
from shared_apps.core.serializers import InputSerializer
from shared_apps.onboarding.archive.replaying import parse_moment
from shared_apps.onboarding.deleting import parse_grace
from shared_apps.onboarding.runs import archives
from shared_apps.tenants import names

T = TypeVar("T")


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


class StepSerializer(serializers.Serializer[Any]):
    step = serializers.CharField()
    state = serializers.SerializerMethodField()
    attempt = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField()
    error = serializers.CharField()

    def get_state(self, step: Any) -> str:
        return str(step.state).lower()
