"""The script that makes a new tenant's schema: rendered once for each version of the code, and kept."""

from django.utils import timezone

from shared_apps.core import context
from shared_apps.fleet import selectors
from shared_apps.fleet.compiling import Rendered, compile_plan
from shared_apps.fleet.history import History, Node, name_of
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.models import SchemaTemplate


def ensure_template() -> SchemaTemplate:
    """The template for this code, rendered now unless it is there. Two at once: one waits."""
    target = selectors.get_target()
    found = selectors.find_template(fingerprint=target.fingerprint)
    if found is None:
        keep(compile_plan(History(), base=None).template)
        found = selectors.find_template(fingerprint=target.fingerprint)
        assert found is not None
    return found


def keep(rendered: Rendered) -> None:
    """Store what was rendered for this code; what is there already stays."""
    target = selectors.get_target()
    template = SchemaTemplate(
        fingerprint=target.fingerprint,
        migrations=[name_of(node) for node in target.migrations],
        script=rendered.script,
        refusal=rendered.refusal,
        created_at=timezone.now(),
    )
    with context.operator():
        SchemaTemplate.objects.using(MIGRATION_ALIAS).bulk_create([template], ignore_conflicts=True)


def find_base(*, fingerprint: str, applied: set[Node]) -> str | None:
    """The script of schemas with this fingerprint, if it has exactly the migrations that they have."""
    template = selectors.find_template(fingerprint=fingerprint) if fingerprint else None
    if template is None or not template.script:
        return None
    labels = History().labels
    has = {name_of(node) for node in applied if node[0] in labels}
    return template.script if has == set(template.migrations) else None
