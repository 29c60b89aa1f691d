import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.installation import Installation


@pytest.fixture(scope="module")
def made_backup(
    installation: "Installation",
    django_db_blocker: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Of acme and globex with a vendor each: acme's in the trail, globex' still in its outbox; and a file."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    from shared_apps.core import context
    from tests.integration.shared_apps.operations.console import run
    from tests.tenant_writers import make_vendor

    with django_db_blocker.unblock():
        acme, globex = installation.tenants["acme"], installation.tenants["globex"]
        _forget_damaged_chains()
        make_vendor(acme, "Paper AG")
        installation.relay()
        make_vendor(globex, "Stone AG")
        with context.tenant(acme):
            default_storage.save("plans/house.txt", ContentFile(b"four walls"))
        place = tmp_path_factory.mktemp("backups")
        done = run("installation", "backup", str(place), "--json")
        assert done.code == 0, done.err
        installation.relay()
        installation.clean()
    return Path(done.json["path"])


@pytest.fixture
def backup(made_backup: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    copy = tmp_path / "place" / made_backup.name
    shutil.copytree(made_backup, copy)
    return copy


def _forget_damaged_chains() -> None:
    """What other tests took out of trails of their own would be found by every drill, and rightly."""
    from django.conf import settings
    from psycopg import sql

    from shared_apps.audit.chain import verifying
    from tests.audit_chains import administrator

    verdicts = verifying.verify(url=settings.AUDIT_AUDITOR_DATABASE_URL, jobs=1)
    damaged = [verdict.tenant_id for verdict in verdicts if verdict.problems]
    with administrator() as admin:
        admin.execute("SET session_replication_role = replica")
        for table in ("entry", "chain", "checkpoint", "anchored"):
            admin.execute(
                sql.SQL("DELETE FROM audit.{} WHERE tenant_id = ANY(%s)").format(
                    sql.Identifier(table)
                ),
                [damaged],
            )
