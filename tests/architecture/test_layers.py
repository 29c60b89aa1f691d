"""What each layer of an app may do, beside what it may import (the contracts in pyproject.toml)."""

import ast
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for root in ("config", "shared_apps", "tenant_apps")
    for path in sorted((ROOT / root).rglob("*.py"))
    if "migrations" not in path.parts
}
# What changes rows, by the names of Django's managers, querysets and models.
_WRITES = {
    "save", "create", "delete", "update", "get_or_create", "update_or_create", "bulk_create",
    "bulk_update", "asave", "acreate", "adelete", "aupdate", "abulk_create", "abulk_update",
    "restore", "delete_for_good",
}  # fmt: skip
_RAW = {"cursor", "raw", "extra", "RawSQL", "execute", "executemany"}
# Where SQL is written by hand: a package (its name ends in /) or a module, and what for.
RAW_SQL: Mapping[str, str] = {
    "shared_apps/audit/": "triggers, an append-only store and its rights, in a database without models",
    "shared_apps/fleet/": "schemas, roles and the catalogue",
    "shared_apps/tenants/database/": "the database backend itself",
    "shared_apps/onboarding/": "makes, moves, archives and examines schemas",
    "shared_apps/core/servers.py": "logins and databases, before there is a model",
    "shared_apps/core/health.py": "asks whether a server answers",
    "shared_apps/accounts/directory_intake.py": "advisory lock; many people in one statement",
    "shared_apps/accounts/identities.py": "a sign-in is one statement",
    "shared_apps/accounts/cross_tenant_roles.py": "functions that make and drop a person's role",
    "shared_apps/authn/backends/configurations.py": "a sign-in is one statement",
    "shared_apps/authn/selectors.py": "each request's session is one statement",
    "shared_apps/authn/services/issuing.py": "session and token in one statement",
    "shared_apps/authn/services/opening.py": "a sign-in is one statement",
    "shared_apps/authn/services/refreshing.py": "checks and uses up a token in one statement",
    "shared_apps/directory_sync/plans.py": "many rows in one statement",
    "shared_apps/operations/": "dumps, compares and renames databases; passwords of their logins",
    "shared_apps/mail/claiming.py": "claims with SKIP LOCKED and a lease",
    "shared_apps/mail/services.py": "advisory lock",
    "shared_apps/portfolio/rows.py": "rows of the relay, which has no models",
    "shared_apps/portfolio/services.py": "rows of the relay, which has no models",
    "shared_apps/tenants/services.py": "the view of a tenant's admission",
    "tenant_apps/idempotency/services.py": "advisory lock",
}


def layer(*names: str) -> list[str]:
    """The modules of these names, whether one file or a package of them."""
    return [
        path
        for path in SOURCES
        if any(path.endswith(f"/{name}.py") or f"/{name}/" in path for name in names)
    ]


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _calls(source: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))


def writes(source: str) -> list[str]:
    """Methods of rows and managers that it calls to change rows; those of a dict or set it fills are none."""
    return [
        f"line {node.lineno}: {_called(node)}()"
        for node in _calls(source)
        if isinstance(node.func, ast.Attribute)
        and node.func.attr in _WRITES
        and not _is_service(node.func.value)
        and not _is_collection(node)
    ]


def _is_service(owner: ast.expr) -> bool:
    """`services.create(…)`, `super().create(…)`."""
    called = isinstance(owner, ast.Call) and getattr(owner.func, "id", "") == "super"
    return called or (isinstance(owner, ast.Name) and "service" in owner.id)


def _is_collection(node: ast.Call) -> bool:
    """`found.update({…})`, `found.update(one for …)`: a queryset's takes names."""
    return _called(node) == "update" and bool(node.args)


def positional(source: str) -> list[str]:
    """Public functions that take more by place than the one thing that they are about."""
    return [
        f"{node.name}({', '.join(argument.arg for argument in node.args.args)})"
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and len([*node.args.posonlyargs, *node.args.args]) > 1
    ]


def raw_sql(source: str) -> list[str]:
    return [
        f"line {node.lineno}: {_called(node)}()"
        for node in _calls(source)
        # A pipeline of Redis executes what it was told before.
        if _called(node) in _RAW and (_called(node) != "execute" or node.args)
    ]


def test_views_and_selectors_change_nothing_themselves() -> None:
    judged = layer("views", "selectors", "serializers", "filters", "permissions")

    assert len(judged) > 30
    assert {path: found for path in judged if (found := writes(SOURCES[path]))} == {}


def test_services_and_selectors_take_their_arguments_by_name() -> None:
    judged = layer("services", "selectors")

    assert len(judged) > 30
    assert {path: found for path in judged if (found := positional(SOURCES[path]))} == {}


def test_sql_is_written_by_hand_only_where_it_is_listed() -> None:
    found = {path for path, source in SOURCES.items() if raw_sql(source)}
    packages = tuple(name for name in RAW_SQL if name.endswith("/"))

    listed = {path for path in found if path in RAW_SQL or path.startswith(packages)}

    assert found - listed == set()
    assert {name for name in RAW_SQL if not any(path.startswith(name) for path in found)} == set()


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (writes, "Vendor.objects.create(name='x')"),
        (writes, "row.save(update_fields=['name'])"),
        (writes, "Vendor.objects.filter(id=1).update(name='x')"),
        (writes, "self.get_object().delete()"),
        (positional, "def change(invoice, number): ..."),
        (positional, "def change(invoice, number, /): ..."),
        (positional, "async def change(invoice, number): ..."),
        (raw_sql, "connection.cursor()"),
        (raw_sql, "Vendor.objects.raw('SELECT 1')"),
        (raw_sql, "RawSQL('1', ())"),
        (raw_sql, "psycopg.connect('').execute('SELECT 1')"),
    ],
)
def test_each_rule_sees_an_offence(rule: Callable[[str], list[str]], source: str) -> None:
    assert len(rule(source)) == 1


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (writes, "services.create(name='x')"),
        (writes, "super().create(request)"),
        (writes, "found.update({'a': 1})"),
        (positional, "def change(invoice, *, number): ..."),
        (positional, "def _own(invoice, number): ..."),
        (raw_sql, "Vendor.objects.filter(name='x')"),
    ],
)
def test_each_rule_leaves_the_rest_alone(rule: Callable[[str], list[str]], source: str) -> None:
    assert rule(source) == []
