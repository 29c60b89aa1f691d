"""What the stock parts do with a task whose tenant is gone; test_task_refusals.py has ours."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from tests.installation import Installation


@pytest.fixture
def empty_database(installation: Installation) -> Iterator[str]:
    name = f"{settings.DATABASES['default']['NAME']}_stock"
    with psycopg.connect(settings.ADMIN_DATABASE_URL, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield psycopg.conninfo.make_conninfo(settings.ADMIN_DATABASE_URL, dbname=name)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_stock_runs_a_deleted_tenants_task_in_public_and_calls_it_a_success(
    empty_database: str,
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.stock.deleted_tenant", empty_database],
        cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout.splitlines()[-1])

    own = {"schema": "ta", "markers": ["of ta"]}
    publics = {"schema": "public", "markers": ["of public"]}
    assert report == {
        "alive": {"state": "SUCCESS", "result": own},
        "deleted": {"state": "SUCCESS", "result": publics},
        "unnamed": {"state": "SUCCESS", "result": publics},
    }
