"""The Celery application class. Imported before the apps are loaded, so it touches no model."""

from typing import Any

from celery import Celery

from shared_apps.tenants import messages


class TenantCelery(Celery):
    """Every task, Celery's own included, is a ContextTask; nothing is sent without a scope."""

    task_cls = "shared_apps.tenants.context_task:ContextTask"

    def send_task(self, name: str, *args: Any, **options: Any) -> Any:
        return super().send_task(name, *args, **messages.seal(options))
