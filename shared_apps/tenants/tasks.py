"""Celery tasks run on behalf of whoever sent them, or not at all."""

from typing import Any
from uuid import UUID

from celery import Task
from celery.exceptions import Reject

from shared_apps.core import attribution, context
from shared_apps.core.errors import TenantContextRequired
from shared_apps.tenants import selectors
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.errors import TenantNotFoundError

OPERATOR = "operator"


class ContextTask(Task):  # type: ignore[type-arg]  # Celery's own generic is untyped at run time
    """Carries the sender's scope and attribution in the message's headers and works in them.

    The tenant travels as its id and is looked up when the task runs: one that is gone or suspended
    by then is not worked for. A message without a scope is refused, never run in the shared schema.
    """

    abstract = True

    def context_headers(self) -> dict[str, Any]:
        """The headers that hand the present context to a task.

        Raises:
            TenantContextRequired: there is none, or a cross-tenant person's, which only reads.
        """
        scope, who = context.require(), attribution.current()
        if isinstance(scope, context.CrossTenantScope):
            # Never as the operator: a task would then do what its sender may not.
            raise TenantContextRequired
        return {
            "scope": str(scope.id) if isinstance(scope, context.TenantIdentity) else OPERATOR,
            "attribution": {
                "user_id": str(who.user_id) if who.user_id else None,
                "on_behalf_of": str(who.on_behalf_of) if who.on_behalf_of else None,
                "request_id": who.request_id,
                "parent_task_id": who.task_id,
                "ip": who.ip,
            },
        }

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        headers = options.pop("headers", None) or {}
        if "scope" not in headers:
            headers = {**self.context_headers(), **headers}
        return super().apply_async(args, kwargs, headers=headers, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.request.called_directly:
            return super().__call__(*args, **kwargs)
        headers = self.request.headers or {}
        scope = _resolve(headers.get("scope"))
        who = self._attribution(headers.get("attribution") or {})
        with _entered(scope), attribution.acting(who):
            return super().__call__(*args, **kwargs)

    def _attribution(self, sent: dict[str, Any]) -> attribution.Attribution:
        return attribution.Attribution(
            user_id=UUID(sent["user_id"]) if sent.get("user_id") else None,
            on_behalf_of=UUID(sent["on_behalf_of"]) if sent.get("on_behalf_of") else None,
            system=f"task:{self.name}",
            request_id=sent.get("request_id"),
            task_id=self.request.id,
            parent_task_id=sent.get("parent_task_id"),
            ip=sent.get("ip"),
        )


def _entered(scope: context.Scope) -> Any:
    return (
        context.tenant(scope) if isinstance(scope, context.TenantIdentity) else context.operator()
    )


def _resolve(scope: str | None) -> context.Scope:
    """Raises Reject, without requeue, for a scope that is missing or not served."""
    if scope == OPERATOR:
        return context.OPERATOR
    try:
        tenant = selectors.get_tenant_by_id(tenant_id=UUID(scope or ""))
    except (ValueError, TenantNotFoundError) as error:
        raise Reject(f"no such scope: {scope!r}", requeue=False) from error
    if tenant.state != TenantState.ACTIVE:
        raise Reject(f"tenant {tenant.slug} is {tenant.state}", requeue=False)
    return tenant.identity
