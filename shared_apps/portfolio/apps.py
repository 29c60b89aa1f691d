from django.apps import AppConfig

from shared_apps.core import doctor


class PortfolioConfig(AppConfig):
    name = "shared_apps.portfolio"
    label = "portfolio"

    def ready(self) -> None:
        from shared_apps.portfolio import selectors

        doctor.register("portfolio", selectors.find_stale)
