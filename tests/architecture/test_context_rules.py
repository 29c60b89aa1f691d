"""What the product's own code may do with contexts, and what it may remember for all tenants."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for root in ("config", "shared_apps", "tenant_apps")
    for path in sorted((ROOT / root).rglob("*.py"))
    if "migrations" not in path.parts
]

# Everything that a process keeps beyond a request or task, and why no tenant can see another's in it.
PROCESS_MEMORY = {
    "config/settings/cache.py:_redis": "settings",
    "config/settings/database.py:_kept": "settings",
    "config/settings/database.py:_limits": "settings",
    "config/settings/database.py:_options": "settings",
    "config/settings/database.py:_pooled": "settings",
    "config/settings/limits.py:_no_plans": "settings",
    "shared_apps/accounts/passwords.py:_gate": "how many hashes may be computed at once",
    "shared_apps/audit/hints.py:_sender": "names of schemas, on their way to Redis",
    "shared_apps/audit/projections.py:_projections": "functions, registered at start",
    "shared_apps/audit/reader.py:_pool": "connections; each transaction names its tenant",
    "shared_apps/core/unnamed_proxies.py:_next_at": "when a proxy is looked for again",
    "shared_apps/core/unnamed_proxies.py:_client": "the installation's Redis; no tenant's data",
    "shared_apps/audit/sealing/fields.py:personal_tables": "what models declare",
    "shared_apps/audit/sealing/wrapping.py:_derived": "from secrets of the settings; no person's key",
    "shared_apps/audit/tracking.py:changeable": "of models, which are code",
    "shared_apps/authn/tokens.py:_prepared": "keys of the settings; no tenant's",
    "shared_apps/authn/tokens.py:_key_id": "what the first octets of a token say, whoever sent them",
    "shared_apps/authn/backends/configurations.py:_key_ring": "from secrets of the settings; no tenant's",
    "shared_apps/mail/sealing.py:_key_ring": "from secrets of the settings; no tenant's",
    "shared_apps/authn/backends/kinds.py:definitions": "JSON Schema, the same for everybody",
    "shared_apps/authn/backends/registry.py:found": "which classes are installed, the same for everybody",
    "shared_apps/core/sealing.py:_cipher": "from secrets of the settings; no tenant's",
    "shared_apps/authn/backends/ldap/wire.py:tls_context": "keyed by the authorities' text, which is all that it holds",
    "shared_apps/authn/mail_pages/__init__.py:_rendered": "pages of files, the same for everybody",
    "shared_apps/core/rate_limits/counting.py:_counter": "counts; keys name their tenant",
    "shared_apps/core/rate_limits/origins.py:address_key": "an address to its name, for every tenant the same",
    "shared_apps/core/rate_limits/windows.py:_connected": "connections; keys name their tenant",
    "shared_apps/core/caching/availability.py:_guarded": "names of changes to tell Redis of; each names its tenant",
    "shared_apps/core/caching/entities.py:_by_model": "what models are read for what, which is code",
    "shared_apps/core/caching/entities.py:_entities": "what the code declares",
    "shared_apps/core/caching/store.py:_connected": "connections; keys name their tenant",
    "shared_apps/core/renewal.py:_renewed": "passwords of the installation's logins; no tenant's",
    "shared_apps/core/doctor.py:_checks": "functions, registered at start",
    "shared_apps/core/metrics/stored.py:_sources": "functions, registered at start",
    "shared_apps/core/metrics/stored.py:_last": "figures of the installation, the same for everybody",
    "shared_apps/core/health.py:_inquiries": "functions, registered at start",
    "shared_apps/fleet/readiness.py:_known": "of the shared schema, the same for everybody",
    "shared_apps/fleet/readiness.py:_judge": "of the shared schema, the same for everybody",
    "shared_apps/fleet/selectors.py:_target": "what the code wants, the same for every tenant",
    "shared_apps/fleet/tenant_run.py:_outcome": "a row with placeholders for the tenant's part",
    "shared_apps/fleet/spares/moulds.py:_known": "by fingerprint of the code, the same for every tenant",
    "shared_apps/fleet/templates.py:_known": "by fingerprint of the code, the same for every tenant",
    "shared_apps/tenants/versions.py:_checks": "functions, registered at start",
    "shared_apps/tenants/versions.py:_behind": "keyed by schema, which is what it answers",
    "shared_apps/core/queue.py:_import_tasks_of_apps": "that it has run",
    "shared_apps/mail/texts.py:_templates": "texts of files, the same for everybody",
    "shared_apps/onboarding/declaration/validation.py:_validator": "the JSON Schema of tenants.yaml, compiled",
    "shared_apps/onboarding/declaration/reference.py:_schema": "the JSON Schema of tenants.yaml",
    "shared_apps/onboarding/declaration/validation.py:schema": "the JSON Schema of tenants.yaml",
    "shared_apps/portfolio/sources.py:_sources": "names of entities, registered at start",
    "shared_apps/tenants/database/replica.py:_verdict": "of a server, the same for everybody",
    "shared_apps/tenants/database/masking.py:_remembered": "keyed by the text that it masks, for every tenant the same",
    "shared_apps/tenants/database/comment.py:_place": "names to their encoding, for every tenant the same",
    "shared_apps/tenants/database/statement.py:_remembered": "keyed by text without values, for every tenant the same",
    "shared_apps/tenants/middleware.py:_canonical": "a host name to its canonical form, for every tenant the same",
    "shared_apps/tenants/owned_alias.py:owned_alias": "keyed by the tenant's id, which is what it holds",
    "shared_apps/tenants/database/session.py:_changes": "keyed by both scopes, whole",
    "shared_apps/tenants/database/session.py:_reported_path": "keyed by the whole scope",
    "shared_apps/core/openapi/documents.py:rendered": "what the code says, for every tenant the same",
    "shared_apps/core/openapi/hooks.py:_offered": "schemas of the code, offered when it is loaded",
    "shared_apps/onboarding/openapi.py:_DECLARED": "the schema of tenants.yaml, for every tenant the same",
    "shared_apps/tenants/routing.py:_memory": "keyed by host name, which is what it answers",
    "tenant_apps/jobs/kinds.py:_kinds": "kinds of jobs, registered at start",
    "tenant_apps/jobs/queueing.py:_executor": "what is waiting in it carries its own context",
    "tenant_apps/idempotency/guarding.py:_class": "of views, which are code",
    "tenant_apps/idempotency/guarding.py:_view": "of views, which are code",
}
_CACHES = {"cache", "lru_cache"}
_MUTABLE = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)


def test_no_generator_is_suspended_inside_a_context_block() -> None:
    """Its consumer would go on in that context. Context managers are entered and left as one."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        for line in _yields_in_context(ast.parse(path.read_text()))
    ]
    assert found == []


def test_the_rule_finds_one() -> None:
    bad = "def rows(t):\n with context.tenant(t), x:\n  for r in q:\n   yield r\n"
    good = "@contextmanager\ndef inside(t):\n with context.tenant(t):\n  yield\n"
    assert list(_yields_in_context(ast.parse(bad))) == [4]
    assert list(_yields_in_context(ast.parse(good))) == []


def test_what_a_process_remembers_is_listed_with_its_reason() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{name}"
        for path in SOURCES
        for name in _memories(ast.parse(path.read_text()))
    }
    assert sorted(found ^ set(PROCESS_MEMORY)) == []


def _yields_in_context(tree: ast.AST) -> Iterator[int]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if any("contextmanager" in ast.unparse(d) for d in function.decorator_list):
            continue
        for block in _own(function):
            if isinstance(block, ast.With | ast.AsyncWith) and any(
                ast.unparse(item.context_expr).startswith("context.") for item in block.items
            ):
                yield from (
                    node.lineno
                    for node in _own(block)
                    if isinstance(node, ast.Yield | ast.YieldFrom)
                )


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """What is inside, but not inside a function of its own."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _own(child)


def _memories(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name, decorator_list=decorators):
                if any(_name(decorator) in _CACHES for decorator in decorators):
                    yield name
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if _is_memory(name, value):
                    yield name
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                if value is not None and _is_memory(name, value):
                    yield name


def _name(decorator: ast.expr) -> str:
    return ast.unparse(decorator).split("(")[0].rsplit(".", 1)[-1]


def _is_memory(name: str, value: ast.expr) -> bool:
    """Private containers, and objects of private classes; public ones in capitals are tables."""
    if not name.startswith("_") or name.startswith("__"):
        return False
    made = isinstance(value, ast.Call) and ast.unparse(value.func).lstrip().startswith("_")
    return made or (isinstance(value, _MUTABLE) and not name.isupper())
