from typing import Any

from rest_framework import serializers

from shared_apps.accounts.choices import Permission
from shared_apps.authn.models import Session
from shared_apps.core.fields import OpaqueField, TextField
from shared_apps.core.serializers import InputSerializer

_NAMES = ("identifier", "email", "username")


class LoginInput(InputSerializer):
    """Who signs in, under whichever name the client's form gives the field.

    Only shapes are judged here: an impossible name or password is answered as a wrong one.
    """

    identifier = OpaqueField(required=False)
    email = OpaqueField(required=False)
    username = OpaqueField(required=False)
    password = OpaqueField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = [attrs[name] for name in _NAMES if name in attrs]
        if len(given) != 1:
            raise serializers.ValidationError(
                {"identifier": [f"Send exactly one of {', '.join(_NAMES)}."]}
            )
        return {"username": given[0], "password": attrs["password"]}


class RefreshInput(InputSerializer):
    refresh = OpaqueField()


class SignInCodeInput(InputSerializer):
    code = OpaqueField()


class PasswordChangeInput(InputSerializer):
    """Of somebody who is signed in, or who has a `ticket` instead."""

    old_password = OpaqueField()
    new_password = OpaqueField()
    ticket = OpaqueField(required=False)
    keep_current = serializers.BooleanField(required=False, default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "ticket" in attrs and attrs["keep_current"]:
            raise serializers.ValidationError({"keep_current": ["A ticket has no session."]})
        return attrs


class PasswordResetInput(InputSerializer):
    email = OpaqueField()


class PasswordResetConfirmInput(InputSerializer):
    token = OpaqueField()
    new_password = OpaqueField()


class RegistrationInput(InputSerializer):
    email = TextField(max_length=254)


class RegistrationConfirmInput(InputSerializer):
    token = OpaqueField()
    name = TextField(max_length=200, allow_blank=True, required=False, default="")
    password = OpaqueField()


class SessionSerializer(serializers.ModelSerializer[Session]):
    is_current = serializers.SerializerMethodField()

    class Meta:
        model = Session
        fields = [
            "id", "created_at", "last_used_at", "expires_at", "ip", "user_agent", "is_current"
        ]  # fmt: skip

    def get_is_current(self, session: Session) -> bool:
        return bool(session.id == self.context["current"])


class _OwnPersonSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())

    class Meta:
        ref_name = "SignedInPerson"


class _SignedInTenantSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()

    class Meta:
        ref_name = "SignedInTenant"


class TokenPairSerializer(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds that `access` is good for.")


class SignedInSerializer(TokenPairSerializer):
    user = _OwnPersonSerializer()
    tenant = _SignedInTenantSerializer(
        allow_null=True, help_text="The tenant whose host was asked; none at the public host."
    )


class _ImpersonatorSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.CharField()

    class Meta:
        ref_name = "Impersonator"


class _BannerSerializer(serializers.Serializer[Any]):
    impersonated_by = _ImpersonatorSerializer()
    reason = serializers.CharField()
    ends_at = serializers.DateTimeField()
    write = serializers.BooleanField()

    class Meta:
        ref_name = "ImpersonationBanner"


class CurrentUserSerializer(_OwnPersonSerializer):
    name = serializers.CharField()
    permissions = serializers.ListField(child=serializers.ChoiceField(choices=Permission.choices))
    impersonation = _BannerSerializer(allow_null=True)

    class Meta:
        ref_name = "CurrentUser"


class PasswordInfoSerializer(serializers.Serializer[Any]):
    """The state of one's own password; null: the source of it does not say."""

    source = serializers.CharField()  # type: ignore[assignment]  # fields have an attribute of that name
    fetched_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    never_expires = serializers.BooleanField()
    expired = serializers.BooleanField()
    must_change = serializers.BooleanField()
    locked = serializers.BooleanField()
    locked_until = serializers.DateTimeField(allow_null=True)
    grace_logins = serializers.IntegerField(allow_null=True)
    warn_seconds = serializers.IntegerField(allow_null=True)
    can_change = serializers.BooleanField()
    min_length = serializers.IntegerField(allow_null=True)
    history = serializers.IntegerField(allow_null=True)


class RegisteredSerializer(serializers.Serializer[Any]):
    account = serializers.ChoiceField(choices=["new", "existing"])


class SignInStartQuery(serializers.Serializer[Any]):
    next = serializers.CharField(
        required=False, help_text="A path of this host that the browser comes back to."
    )


class SignInAddressSerializer(serializers.Serializer[Any]):
    authorize_url = serializers.CharField()


class SignInCallbackQuery(serializers.Serializer[Any]):
    """What the provider sends the browser back with."""

    state = serializers.CharField(required=False)
    code = serializers.CharField(required=False)
    iss = serializers.CharField(required=False)
    error = serializers.CharField(required=False)
