"""The script that makes a new tenant's schema: rendered once for each version of the code, and kept."""

from django.utils import timezone

from shared_apps.core import context
from shared_apps.fleet import selectors
from shared_apps.fleet.compiling import Rendered, compile_plan
from shared_apps.fleet.history import History, name_of
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.models import SchemaTemplate

# A template never changes.
_known: dict[str, SchemaTemplate] = {}


def ensure_template() -> SchemaTemplate:
    """The template for this code, rendered now unless it is there. Two at once: one waits."""
    target = selectors.get_target()
    known = _known.get(target.fingerprint)
    if known is not None:
        return known
    found = selectors.find_template(fingerprint=target.fingerprint)
    if found is None:
        keep(compile_plan(History(), base=None, renders=True).template)
        found = selectors.find_template(fingerprint=target.fingerprint)
        assert found is not None
    _known[target.fingerprint] = found
    return found


def forget() -> None:
    """Read them anew, for code that changes under the same name: tests."""
    _known.clear()


def keep(rendered: Rendered | None) -> None:
    """Store what was rendered for this code, if anything was; what is there already stays."""
    if rendered is None:
        return
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
