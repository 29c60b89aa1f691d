"""A database that cannot be reached is named, and nothing that is secret."""

import socket

import psycopg
import pytest

from shared_apps.core import databases
from shared_apps.core.databases import Database


def test_one_that_does_not_answer_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(psycopg.OperationalError) as failure:
            databases.connect(
                f"postgresql://login:hunter2@127.0.0.1:{port}/trail",
                Database.AUDIT,
                connect_timeout=2,
            )

    assert str(failure.value) == (
        f"the audit database (login@127.0.0.1:{port}/trail) cannot be reached: connection timeout expired"
    )


def test_all_hosts_of_several_are_told_on_one_line() -> None:
    with pytest.raises(psycopg.OperationalError) as failure:
        databases.connect(
            "postgresql://login:hunter2@127.0.0.1:9,127.0.0.2:9/d",
            Database.TENANTS,
            connect_timeout=2,
        )

    said = str(failure.value)
    assert said.startswith("the tenants' database (login@127.0.0.1:9,127.0.0.2:9/d)")
    assert said.count("127.0.0.2") > 1
    assert "\n" not in said
    assert "hunter2" not in said
