from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import Environment


def test_everything_wrong_is_listed_in_one_message() -> None:
    env = Environment(source={"PORT": "many", "SECRET_KEY": "short"})
    env.integer("PORT", low=1, high=65535)
    env.secret("SECRET_KEY")
    env.text("PUBLIC_HOST")

    with pytest.raises(ImproperlyConfigured) as raised:
        env.finish()

    message = str(raised.value)
    assert "PORT must be a whole number from 1 to 65535" in message
    assert "SECRET_KEY must have at least 32 characters" in message
    assert "PUBLIC_HOST is not set (nor PUBLIC_HOST_FILE)" in message


def test_a_secret_never_appears_in_the_message() -> None:
    env = Environment(source={"SECRET_KEY": "hunter2"})
    env.secret("SECRET_KEY")
    with pytest.raises(ImproperlyConfigured) as raised:
        env.finish()
    assert "hunter2" not in str(raised.value)


def test_a_value_can_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s" * 40 + "\n")
    env = Environment(source={"SECRET_KEY_FILE": str(tmp_path / "secret")})
    assert env.secret("SECRET_KEY") == "s" * 40
    env.finish()


def test_both_forms_at_once_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s" * 40)
    env = Environment(source={"SECRET_KEY": "t" * 40, "SECRET_KEY_FILE": str(tmp_path / "secret")})
    env.secret("SECRET_KEY")
    with pytest.raises(ImproperlyConfigured, match="both set"):
        env.finish()


def test_a_password_with_special_characters_survives_the_url() -> None:
    env = Environment(source={"DATABASE_URL": "postgresql://app:p%40ss%3A%2F%3F%23%25@db:6543/x"})
    assert env.database("DATABASE_URL") == {
        "NAME": "x", "USER": "app", "PASSWORD": "p@ss:/?#%", "HOST": "db", "PORT": "6543",
    }  # fmt: skip


def test_another_database_is_refused() -> None:
    env = Environment(source={"DATABASE_URL": "mysql://app:pw@db/x"})
    env.database("DATABASE_URL")
    with pytest.raises(ImproperlyConfigured, match="PostgreSQL only"):
        env.finish()


def test_a_placeholder_secret_is_refused() -> None:
    env = Environment(source={"SECRET_KEY": "django-insecure-" + "x" * 40})
    env.secret("SECRET_KEY")
    with pytest.raises(ImproperlyConfigured, match="placeholder"):
        env.finish()
