"""What is wrong with a file is said at once, with lines, and nothing is changed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_apps.core import context
from shared_apps.onboarding.declaration.problems import DeclarationError
from shared_apps.onboarding.declaration.reading import read, read_tenant
from shared_apps.tenants.models import Tenant
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.console import Console, tenant


def problems_of(text: str | bytes) -> list[tuple[int | None, str, str]]:
    with pytest.raises(DeclarationError) as refused:
        read(text if isinstance(text, bytes) else text.encode())
    return [(found.line, found.field, found.text) for found in refused.value.problems]


KEYS = st.sampled_from(
    [
        "slug",
        "name",
        "domains",
        "state",
        "admins",
        "auth",
        "backend",
        "options",
        "secrets",
        "env",
        "file",
        "limits",
        "features",
        "x",
    ]
) | st.text(max_size=3)
HEAD = "apiVersion: freehold/v1\ntenants:\n"
GOOD = """  - slug: initech
    name: Initech
    domains: [initech.localhost]
    admins: [admin@initech.example]
"""


def test_a_good_file_is_read() -> None:
    declaration = read((HEAD + GOOD).encode())

    assert [spec.slug for spec in declaration.tenants] == ["initech"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "the file is empty"),
        ("apiVersion: freehold/v1\n\ttenants: []\n", 2, "indented with a tab"),
        (b"apiVersion: freehold/v1\ntenants: []\n# caf\xe9\n", 3, "not UTF-8"),
        ((HEAD + GOOD).encode("utf-16"), 1, "not UTF-8"),
        ("apiVersion: freehold/v1\0", 1, "NUL"),
        (HEAD + "  - ]\n", 3, "not YAML"),
        (HEAD + GOOD + "---\n" + HEAD + GOOD, 7, "second document"),
        (HEAD + GOOD + "    slug: other\n", 7, "second time (first on line 3)"),
        (HEAD + "  - &a {}\n  - *a\n", 3, "anchors"),
        ("a: &a [x]\nb: [*a, *a]\n", 2, "aliases"),
        (HEAD + "  - !!python/object:os.system {}\n", 3, "tags"),
        (HEAD + "  - ? [a]\n    : b\n", 3, "a key must be plain text"),
        ("[" * 200, 1, "nested too deeply"),
        ("apiVersion: freehold/v2\ntenants: []\n", 1, "must be freehold/v1"),
        ("tenants: []\n", 1, "needs the key apiVersion"),
        ("apiVersion: freehold/v1\ntenants: {}\n", 2, "must be a list"),
        ("just a text\n", 1, "must be a mapping"),
        ("42\n", 1, "must be a mapping"),
        ("~\n", 1, "must be a mapping"),
    ],
)
def test_a_bad_text_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    found = problems_of(text)

    assert any(number == line and said in why for number, _, why in found), found


def test_a_billion_laughs_are_not_laughed() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
    )

    found = problems_of(bomb)

    assert len([why for _, _, why in found if "aliases" in why]) == 29 * 9


@pytest.mark.parametrize(
    ("entry", "field", "said"),
    [
        (tenant("Initech"), "slug", "lower-case"),
        (tenant('"a\\n"', name="A", domains="[a.example]", admins="[a@a.example]"), "slug", "lower-case"),
        (tenant("admin"), "slug", "reserved"),
        (tenant("initech", typo="1"), "typo", "unknown key"),
        (tenant("initech", domain="[x.example]"), "domain", "do you mean domains?"),
        (tenant("initech", domains="[]"), "domains", "at least 1"),
        (tenant("initech", domains="[http://x.example]"), "domains[0]", "not a host name"),
        (tenant("initech", domains="[127.0.0.1]"), "domains[0]", "not a host name"),
        (tenant("initech", domains="[x.example, X.EXAMPLE.]"), "domains[1]", "already"),
        (tenant("initech", domains="[localhost]"), "domains[0]", "public host"),
        (tenant("initech", admins="[nobody]"), "admins[0]", "e-mail"),
        (tenant("initech", admins="[a@x.example, A@x.example]"), "admins[1]", "already"),
        (tenant("initech", state="deleted"), "state", "active or suspended"),
        (tenant("initech", name='"a\\u0007b"'), "name", "readable"),
        (tenant("initech", limits="{connections: 0}"), "limits.connections", "at least 1"),
        (tenant("initech", limits="{connections: 1.5}"), "limits.connections", "whole number"),
        (tenant("initech", limits="{connections: true}"), "limits.connections", "whole number"),
        (tenant("initech", limits="{storage_mb: 99999999999}"), "limits.storage_mb", "at most"),
        (tenant("initech", limits="{plan: gold}"), "limits.plan", "there is no such plan"),
        (tenant("initech", features="{a: yes}"), "features.a", "true or false"),
        (tenant("initech", features="{A: true}"), "features.A", "lower-case"),
        (tenant("initech", setup="[dev_demo]"), "setup[0]", "dev_demo_data"),
        (tenant("initech", auth="{}"), "auth", "needs the key backend"),
        (tenant("initech", auth="{backend: ldap}"), "auth.backend", "openldap"),
        (tenant("initech", auth="{backend: database, options: {a: 1}}"), "auth.options.a", "unknown"),
        (
            tenant("initech", auth="{backend: openldap, options: {url: ldaps://h}, secrets: {}}"),
            "auth.options",
            "needs the key base_dn",
        ),
        (
            tenant("initech", auth="{backend: database, break_glass: [x@initech.example]}"),
            "auth.break_glass[0]",
            "one of the tenant's admins",
        ),
    ],
)  # fmt: skip
def test_a_bad_tenant_is_refused_with_line_and_field(entry: str, field: str, said: str) -> None:
    found = problems_of(HEAD + GOOD.replace("initech", "umbrella") + f"  - {entry}\n")

    assert all(number == 7 for number, _, _ in found), found
    assert any(name == f"tenants[1].{field}" and said in why for _, name, why in found), found


def test_all_errors_are_listed_at_once_in_their_order() -> None:
    found = problems_of(
        HEAD + "  - slug: X\n    nme: a\n    domains: [a.b]\n    admins: []\n    state: gone\n"
    )

    assert [(line, field) for line, field, _ in found] == [
        (3, "tenants[0]"),
        (3, "tenants[0].slug"),
        (4, "tenants[0].nme"),
        (6, "tenants[0].admins"),
        (7, "tenants[0].state"),
    ]


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_no_text_is_more_than_refused(raw: bytes) -> None:
    with pytest.raises(DeclarationError):
        read(raw)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    )
)
def test_no_tenant_is_more_than_refused(value: Any) -> None:
    """Whatever stands in the place of a tenant, by file or over HTTP."""
    for is_remote in (True, False):
        try:
            read_tenant(value, is_remote=is_remote)
        except DeclarationError:
            continue


def test_a_slug_and_a_domain_are_declared_once() -> None:
    second = GOOD.replace("name: Initech", "name: Second")
    third = GOOD.replace("slug: initech", "slug: umbrella")

    found = problems_of(HEAD + GOOD + second + third)

    assert [(line, field) for line, field, _ in found] == [
        (7, "tenants[1].slug"),
        (9, "tenants[1].domains[0]"),
        (13, "tenants[2].domains[0]"),
    ]


@pytest.mark.parametrize(
    "secrets",
    [
        "hunter2-hunter2",
        "[hunter2-hunter2]",
        "{admin_password: hunter2-hunter2}",
        "{admin_password: {env: hunter2-hunter2}}",
        "{admin_password: {value: hunter2-hunter2}}",
        "{admin_password: {hunter2-hunter2}}",
        "{admin_password: {env: A, file: hunter2-hunter2}}",
        "{admin_password: !hunter2-hunter2}",
        "{admin_password: *hunter2-hunter2}",
        "{admin_password: &hunter2-hunter2}",
        "{admin_password: %hunter2-hunter2}",
        "{admin_password: 'hunter2-hunter2}",
        '{admin_password: "hunter2-\\hunter2"}',
        "{admin_password: hunter2-hunter2, admin_password: hunter2-hunter2}",
    ],
)
def test_a_literal_secret_is_refused_and_not_repeated(secrets: str) -> None:
    entry = tenant("initech", auth=f"{{backend: database, secrets: {secrets}}}")

    found = problems_of(HEAD + f"  - {entry}\n")

    assert found
    assert "hunter2" not in repr(found)


def test_a_secret_among_the_options_is_not_repeated() -> None:
    options = "{url: 'ldaps://u:hunter2@h', base_dn: 1, bind_dn: hunter2, bind_password: hunter2}"
    entry = tenant("initech", auth=f"{{backend: openldap, options: {options}, secrets: hunter2}}")

    found = problems_of(HEAD + f"  - {entry}\n")

    assert {field for _, field, _ in found} == {
        "tenants[0].auth.options.url",
        "tenants[0].auth.options.base_dn",
        "tenants[0].auth.options.bind_password",
        "tenants[0].auth.secrets",
    }
    assert "hunter2" not in repr(found)


def test_what_a_file_says_wrongly_changes_nothing(console: Console, system: Installation) -> None:
    console.declare(tenant("initech"), tenant("umbrella", domains="[initech.localhost]"))

    refused = console.apply()

    assert refused.code == 1
    assert f"{console.file}:4: tenants[1].domains[0]: initech.localhost" in refused.err
    with context.operator():
        assert Tenant.objects.count() == len(system.tenants)


@pytest.mark.parametrize("action", ["plan", "apply"])
def test_errors_are_there_for_programs_too(console: Console, action: str) -> None:
    console.declare(tenant("X"))

    refused = console.run(action, "-f", str(console.file), "--json")

    assert refused.code == 1
    [error] = refused.json["errors"]
    assert (error["line"], error["field"]) == (3, "tenants[0].slug")


def test_a_file_that_is_not_there_is_one_line(console: Console) -> None:
    refused = console.plan()

    assert refused.code == 1
    assert "No such file" in refused.err
