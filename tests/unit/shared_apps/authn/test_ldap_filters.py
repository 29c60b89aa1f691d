import pytest

from shared_apps.authn.backends.ldap import ber, filters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(uid=alice)", "a30c0403756964 0405616c696365"),
        ("(uid=*)", "8703756964"),
        ("(uid=)", "a307040375696404 00"),
        (r"(uid=\2a)", "a30804037569640401 2a"),
        ("(uid=a*b*c)", "a41004037569643009 800161 810162 820163"),
        ("(uid=*b)", "a40a04037569643003 820162"),
        ("(age>=1)", "a508040361676504 0131"),
        ("(age<=1)", "a608040361676504 0131"),
        ("(age~=1)", "a808040361676504 0131"),
        ("(!(a=1))", "a208 a306 0401 61 0401 31"),
        ("(&(a=1)(b=2))", "a010 a306040161040131 a306040162040132"),
        ("(|(a=1)(b=2))", "a110 a306040161040131 a306040162040132"),
        ("(member:1.2.3:=x)", "a9 12 8105312e322e33 82066d656d626572 830178"),
        ("(ou:dn:=x)", "a9 0a 82026f75 830178 8401ff"),
        (" (a=1) ", "a306040161040131"),
    ],
)
def test_filters_are_read_as_rfc_4515_says(text: str, expected: str) -> None:
    assert filters.parse(text) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    "text",
    [
        "", "uid=alice", "(uid=alice", "(uid=alice))", "(uid=alice)(b=2)", "()", "(&)", "(!(a=1)(b=2))", "(uid)",
        "(=x)", r"(uid=\zz)", r"(uid=\2)", "(u id=x)", "(a=(b=c))", "(:=x)", "(!" * 30 + "(a=1)" + ")" * 30,
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(filters.FilterError):
        filters.parse(text)


def test_values_cannot_break_out_of_a_comparison() -> None:
    value = "*)(uid=*\\2a\x00)"

    ((_, comparison),) = ber.elements(filters.equals("uid", value))

    assert list(ber.elements(comparison)) == [(4, b"uid"), (4, value.encode())]


def test_names_of_attributes_are_not_taken_from_anywhere() -> None:
    for name in ("uid)(x", "", "1", "u=x", "uid;"):
        with pytest.raises(filters.FilterError):
            filters.equals(name, "x")


@pytest.mark.parametrize(
    "octets", ["3080", "30850100000000", "1f8101", "3005040161", "0482ffff61", "04"]
)
def test_ber_that_is_none_is_refused(octets: str) -> None:
    with pytest.raises(ber.MalformedError):
        list(ber.elements(bytes.fromhex(octets)))


def test_integers_have_an_end() -> None:
    assert ber.integer(b"\xff") == -1
    assert ber.integer(ber.only(ber.encode(2, ber.encode_integer(1 << 40)), 2)) == 1 << 40
    for octets in (b"", b"\x01" * 9):
        with pytest.raises(ber.MalformedError):
            ber.integer(octets)
