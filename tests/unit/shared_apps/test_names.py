import pytest

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
