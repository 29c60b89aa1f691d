import pytest

from shared_apps.authn.backends.base import are_plausible


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("", "password"),
        ("u" * 257, "password"),
        ("user", ""),
        ("user", "p" * 1025),
        ("us\x00er", "password"),
        ("user\r\nx: y", "password"),
        ("user", "pass\x00word"),
        ("user", "\ud800"),
        ("\ud800", "password"),
    ],
)
def test_are_plausible_refuses_before_a_backend_is_asked(username: str, password: str) -> None:
    assert not are_plausible(username=username, password=password)


def test_are_plausible_leaves_the_rest_to_the_backend() -> None:
    assert are_plausible(username="u" * 256, password="p" * 1024)
    assert are_plausible(username=" ", password=" ")
