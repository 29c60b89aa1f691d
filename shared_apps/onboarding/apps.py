from django.apps import AppConfig
from django.core.checks import Tags, register


class OnboardingConfig(AppConfig):
    name = "shared_apps.onboarding"
    label = "onboarding"

    def ready(self) -> None:
        from shared_apps.core import doctor
        from shared_apps.onboarding.erasing import cases, declarations

        register(declarations.check_personal_data, Tags.models)
        doctor.register("erasures", cases.find_unfinished)
