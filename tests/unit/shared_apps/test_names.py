from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_apps.tenants import names
from shared_apps.tenants.errors import DomainNameError, ReservedNameError, TenantNameError


@pytest.mark.parametrize("slug", ["a", "acme", "a1", "acme-co", "a" * 40])
def test_validate_slug_accepts(slug: str) -> None:
    assert names.validate_slug(slug) == slug


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "1a",
        "-a",
        "a-",
        "Acme",
        "a_b",
        "a b",
        "a" * 41,
        "../x",
        "%s",
        "ac\u043ce",
        "acme\n",
        "a;b",
        "information_schema",
        "pg_catalog",
        "a" * 63,
        "\u0430cme",  # a Cyrillic letter that looks like a
        "acm\u0117",
        "acme\x00",
        "\uff41cme",  # a full-width letter
        "a\u200bcme",  # a letter of no width
        "a--",
        "a/b",
        "a:b",
        "acme ",
        "ACME",
        "\u0131",  # a lower-case i without a dot
    ],
)
def test_validate_slug_refuses(slug: str) -> None:
    with pytest.raises(TenantNameError):
        names.validate_slug(slug)


def test_validate_slug_refuses_a_reserved_name() -> None:
    with pytest.raises(ReservedNameError):
        names.validate_slug("admin")


def test_schema_of_is_injective_for_hyphens() -> None:
    assert names.schema_of("a-b") == "t_a_b"


def test_role_of_refuses_what_postgresql_would_cut_off() -> None:
    with pytest.raises(TenantNameError):
        names.role_of("t_" + "a" * 40, database="d" * 21)


def test_roles_of_people_and_groups_cannot_be_tenants() -> None:
    """No schema of a tenant begins like the rest of such a role's name."""
    person = UUID(int=7)
    assert names.person_role_of(person, database="d") == "d_x_" + "0" * 31 + "7"
    assert not names.tenants_group("d").startswith("d_t_")
    assert not names.readers_group("d").startswith("d_t_")
    with pytest.raises(TenantNameError):
        names.person_role_of(person, database="d" * 29)


@given(st.text(max_size=45))
def test_whatever_is_accepted_is_plain(slug: str) -> None:
    try:
        names.validate_slug(slug)
    except (TenantNameError, ReservedNameError):
        return
    assert slug.isascii()
    assert slug == slug.lower()
    assert names.schema_of(slug).removeprefix("t_").replace("_", "-") == slug
    assert len(names.schema_of(slug)) <= 42


@pytest.mark.parametrize(
    ("raw", "host"), [("Acme.LOCALHOST", "acme.localhost"), ("acme.localhost.", "acme.localhost")]
)
def test_canonical_host(raw: str, host: str) -> None:
    assert names.canonical_host(raw) == host


@pytest.mark.parametrize(
    "raw", ["", "..", "a..b", "-a.b", "a_b.c", "127.0.0.1", "[::1]", "a@b", "a/b", "a" * 254]
)
def test_canonical_host_refuses(raw: str) -> None:
    with pytest.raises(DomainNameError):
        names.canonical_host(raw)
