from django.apps import AppConfig
from django.core.checks import Tags, register


class AuthnConfig(AppConfig):
    name = "shared_apps.authn"
    label = "authn"

    def ready(self) -> None:
        from shared_apps.authn import checks, openapi  # noqa: F401  # known by being imported
        from shared_apps.core import doctor

        register(checks.check_installed_backends, Tags.security)
        doctor.register("sign-in", checks.find_unusable)
