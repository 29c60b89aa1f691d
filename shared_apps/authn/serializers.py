from typing import Any

from rest_framework import serializers

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
