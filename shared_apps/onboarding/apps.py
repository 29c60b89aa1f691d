from django.apps import AppConfig


class OnboardingConfig(AppConfig):
    name = "shared_apps.onboarding"
    label = "onboarding"

    def ready(self) -> None:
        from shared_apps.onboarding.erasing import declarations  # noqa: F401  # registers its check
