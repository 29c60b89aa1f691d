"""The product on a real Citus cluster of a coordinator and two nodes; skipped where there is none."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests import citus
from tests.citus import Cluster

pytestmark = pytest.mark.skipif(
    not (os.environ.get(citus.COORDINATOR) and os.environ.get(citus.NODES)), reason=citus.MISSING
)

ROWS = "Vendor.objects.bulk_create([Vendor(name=f'<name> {n}', created_by=uuid4()) for n in range(<n>)])"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("citus")
    with citus.of_the_environment(
        directory,
        audit_url=settings.AUDIT_ADMIN_DATABASE_URL,
        redis_url=settings.REDIS_URL.rpartition("/")[0] + "/7",
    ) as made:
        ended = made.manage("demo", "--accounts", str(directory / "accounts.json"))
        assert ended.code == 0, ended.err
        assert made.manage("audit", "relay", "--once").code == 0
        yield made


def other(cluster: Cluster, node: str) -> str:
    return next(known for known in cluster.nodes if known != node)


def add_vendors(cluster: Cluster, slug: str, *, name: str, n: int) -> None:
    cluster.write(slug, ROWS.replace("<name>", name).replace("<n>", str(n)))


def test_each_tenant_is_whole_on_one_node(cluster: Cluster) -> None:
    found = cluster.manage("fleet", "sharding", "--json").json
    assert found["violations"] == []
    assert {place["slug"]: len(place["nodes"]) for place in found["places"]} == {
        "acme": 1,
        "globex": 1,
    }
    assert cluster.manage("fleet", "drift").out == "no differences\n"
    assert "not as" not in cluster.manage("doctor").out


def test_what_happens_on_a_node_is_recorded_there_with_who_did_it(cluster: Cluster) -> None:
    for slug in ("acme", "globex"):
        add_vendors(cluster, slug, name="Traced", n=3)
        cluster.write(
            slug,
            "with transaction.atomic():\n"
            "    Vendor.objects.filter(name__startswith='Traced').update(email='x@example.com')\n"
            "    Vendor.objects.filter(name='Traced 1').delete()",
        )
        rows = cluster.query(
            "SELECT table_name, operation, attribution, database_role, count(*)"
            f" FROM t_{slug}.audit_outbox GROUP BY 1, 2, 3, 4 ORDER BY operation"
        )
        who, role = f'{{"system":"test:{slug}"}}', f"{cluster.database}_t_{slug}"
        assert rows == [
            ("invoicing_vendor", "CREATE", who, role, 3),
            ("invoicing_vendor", "DELETE", who, role, 1),
            ("invoicing_vendor", "UPDATE", who, role, 3),
        ]
    assert cluster.manage("audit", "relay", "--once").out == "moved 14 entries\n"


@pytest.mark.parametrize("mode", ["block_writes", "force_logical", "auto"])
def test_a_tenant_moves_with_its_rows_triggers_and_rights(cluster: Cluster, mode: str) -> None:
    source = cluster.node_of("acme")
    stays = cluster.node_of("globex")
    target = other(cluster, source)
    ((before,),) = cluster.query("SELECT count(*) FROM t_acme.invoicing_vendor")

    moved = cluster.manage("tenant", "move", "acme", "--to", target, "--mode", mode, "--json")

    assert moved.code == 0, moved.err
    assert moved.json["rows_before"] == moved.json["rows_after"]
    assert moved.json["rows_after"]["invoicing_vendor"] == before
    assert (cluster.node_of("acme"), cluster.node_of("globex")) == (target, stays)
    add_vendors(cluster, "acme", name=f"After {mode}", n=2)
    rows = cluster.query("SELECT operation, attribution FROM t_acme.audit_outbox")
    assert rows == [("CREATE", '{"system":"test:acme"}')] * 2
    entries = cluster.query(
        "SELECT old_values ->> 'node', new_values ->> 'node' FROM public.audit_outbox"
        " WHERE table_name = 'tenants_tenant'"
    )
    assert entries == [(source, target)]
    assert cluster.manage("audit", "relay", "--once").code == 0
    assert cluster.manage("fleet", "drift").out == "no differences\n"


def test_one_that_is_there_already_stays(cluster: Cluster) -> None:
    node = cluster.node_of("acme")
    moved = cluster.manage("tenant", "move", "acme", "--to", node, "--json")
    assert (moved.code, moved.json["has_moved"]) == (0, False)
    assert moved.err == f"acme is on {node} already\n"


def test_a_move_that_cannot_be_is_refused_and_nothing_changes(cluster: Cluster) -> None:
    node = cluster.node_of("acme")
    target = other(cluster, node)
    unknown = cluster.manage("tenant", "move", "acme", "--to", "10.9.9.9:5432")
    assert unknown.code == 1
    assert "There is no such node: 10.9.9.9:5432." in unknown.err

    add_vendors(cluster, "acme", name="Waiting", n=1)
    pending = cluster.manage("tenant", "move", "acme", "--to", target, "--wait", "0")
    assert pending.code == 1
    assert "not in the audit database yet" in pending.err
    assert cluster.manage("audit", "relay", "--once").code == 0

    cluster.query("CREATE MATERIALIZED VIEW t_acme.sums AS SELECT 1 AS one")
    broken = cluster.manage("tenant", "move", "acme", "--to", target)
    cluster.query("DROP MATERIALIZED VIEW t_acme.sums")
    assert broken.code == 1
    assert "t_acme: materialized view sums would stay on the coordinator" in broken.err

    cluster.query(f"SELECT citus_disable_node('{target.split(':')[0]}', {target.split(':')[1]})")
    away = cluster.manage("tenant", "move", "acme", "--to", target)
    cluster.query(f"SELECT citus_activate_node('{target.split(':')[0]}', {target.split(':')[1]})")
    assert away.code == 1
    assert f"The node {target} is not active" in away.err
    assert cluster.node_of("acme") == node


def test_no_tenant_reads_another_ones_rows(cluster: Cluster) -> None:
    cluster.write(
        "acme",
        "from django.db import connection\n"
        "from django.db.utils import ProgrammingError\n"
        "try:\n"
        "    with connection.cursor() as cursor:\n"
        "        cursor.execute('SELECT count(*) FROM t_globex.invoicing_vendor')\n"
        "except ProgrammingError as error:\n"
        "    assert 'permission denied for schema t_globex' in str(error), error\n"
        "else:\n"
        "    raise SystemExit('acme read rows of globex')",
    )


def test_an_archive_is_restored_onto_a_node_and_deleted_from_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    archive = str(tmp_path / "acme.tar.gz")
    assert cluster.manage("tenant", "export", "acme", "-o", archive).code == 0
    restored = cluster.manage(
        "tenant", "restore", archive, "--as", "acme2", "--domain", "acme2.localhost"
    )
    assert restored.code == 0, restored.err
    for table in ("invoicing_invoice", "invoicing_invoiceitem", "invoicing_vendor"):
        both = [
            cluster.query(f"SELECT to_jsonb(t) FROM {schema}.{table} t ORDER BY id")
            for schema in ("t_acme", "t_acme2")
        ]
        assert both[0] == both[1] != []
    assert cluster.manage("audit", "relay", "--once").code == 0

    deleted = cluster.manage(
        "tenant", "delete", "acme2", "--now", "--without-backup", "acme2", "--confirm", "acme2"
    )

    assert deleted.code == 0, deleted.err
    for server in range(3):
        left = cluster.query(
            "SELECT nspname FROM pg_namespace WHERE nspname = 't_acme2' UNION ALL"
            f" SELECT rolname FROM pg_roles WHERE rolname = '{cluster.database}_t_acme2'",
            server=server,
        )
        assert left == []
