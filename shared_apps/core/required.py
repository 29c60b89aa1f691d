"""Settings that one command needs and another process does well without."""

from django.conf import settings

from shared_apps.core.errors import InvalidError


class SettingMissingError(InvalidError):
    code = "core.setting_missing"
    message = "A setting is missing."

    @classmethod
    def named(cls, name: str, *, why: str = "") -> "SettingMissingError":
        return cls(f"{name} is not set (nor {name}_FILE)" + (f": {why}" if why else ""))


def required(name: str) -> str:
    """The text that was set. Raises SettingMissingError: none was given to this process."""
    value = getattr(settings, name)
    if not value:
        raise SettingMissingError.named(name)
    return str(value)
