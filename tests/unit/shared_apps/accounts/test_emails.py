import pytest

from shared_apps.accounts.emails import validated_email
from shared_apps.accounts.errors import EmailError
from shared_apps.core.emails import canonical_email


@pytest.mark.parametrize(
    "typed", ["BOB@Example.COM", " bob@example.com ", "bob@example.com", "ｂｏｂ@example.com"]
)
def test_canonical_email_is_one_for_all_spellings(typed: str) -> None:
    assert canonical_email(typed) == "bob@example.com"


@pytest.mark.parametrize(
    "typed", ["", "bob", "bob@", "@example.com", "b\x00b@example.com", "a b@c.de"]
)
def test_validated_email_refuses_what_is_none(typed: str) -> None:
    with pytest.raises(EmailError):
        validated_email(typed)
