from django.apps import AppConfig


class InvoicingConfig(AppConfig):
    name = "tenant_apps.invoicing"
    label = "invoicing"

    def ready(self) -> None:
        from datetime import timedelta

        from shared_apps.portfolio import projections
        from tenant_apps.invoicing import portfolio
        from tenant_apps.invoicing.importing import job
        from tenant_apps.jobs import kinds

        projections.register(portfolio.SOURCE)
        kinds.register(
            kinds.JobKind(name=job.KIND, begin=job.InvoiceImport, limit=timedelta(minutes=30))
        )
