from django.apps import AppConfig
from django.core import checks


class TenantsConfig(AppConfig):
    name = "shared_apps.tenants"
    label = "tenants"

    def ready(self) -> None:
        from shared_apps.tenants.checks import check_tenant_models

        checks.register(check_tenant_models, checks.Tags.models)
