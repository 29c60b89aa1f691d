import os
import subprocess
import sys
from pathlib import Path

_SETTINGS = """
from config.settings.test import *
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""


def test_another_database_than_postgresql_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings_on_sqlite.py").write_text(_SETTINGS)

    ended = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={
            **os.environ, "DJANGO_SETTINGS_MODULE": "settings_on_sqlite",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), "."]),
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 1
    assert "core.E001" in ended.stderr
    assert "'default' is SQLite, not PostgreSQL" in ended.stderr
