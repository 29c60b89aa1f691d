from django.apps import AppConfig


class InvoicingConfig(AppConfig):
    name = "tenant_apps.invoicing"
    label = "invoicing"

    def ready(self) -> None:
        from shared_apps.portfolio import projections
        from tenant_apps.invoicing import portfolio

        projections.register(portfolio.SOURCE)
