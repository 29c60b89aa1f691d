"""What `manage.py install` makes of a Citus cluster that an administrator has put together."""

from typing import Any

from psycopg import conninfo, sql

from shared_apps.fleet.errors import ClusterError
from shared_apps.fleet.sharding import cluster

# Of whom makes schemas. Not propagate_set_commands: a message of many statements that begins with SET
# LOCAL, as the migrations' do, would be sent to the nodes whole.
_OF_THE_OWNER = {
    "citus.enable_schema_based_sharding": "on",
    "citus.enable_unsafe_triggers": "on",
    "citus.propagate_set_commands": "none",
}
# Of whom works in them: who does it arrives at the node's audit triggers.
_OF_THE_APPLICATION = {"citus.propagate_set_commands": "local"}


def require_cluster(cursor: Any, database: str) -> None:
    """Raises ClusterError: this database is not a coordinator's with a node that takes tenants."""
    version = cluster.find_version(cursor)
    if version is None:
        raise ClusterError(
            f"DATABASE_SHARDING is citus, but the database {database} has no extension citus; "
            "docs/scaling-citus.md says how to make the cluster first"
        )
    if int(version.split(".")[0]) < cluster.OLDEST_SUPPORTED:
        raise ClusterError(f"Citus {version} is too old; {cluster.OLDEST_SUPPORTED} is needed")
    nodes = cluster.list_nodes(cursor)
    if not any(node.is_coordinator for node in nodes):
        raise ClusterError("the coordinator is not in its own metadata: citus_set_coordinator_host")
    if not any(node.is_active and node.takes_schemas for node in nodes):
        raise ClusterError("no active node takes tenants' schemas: citus_add_node")


def prepare(cursor: Any, *, database: str, owner: str, application: str, tenants: str) -> None:
    """Tell the cluster how it is used, and let the nodes be reached as tenants.

    From within the database: Citus hands on to the nodes what is defined there.
    """
    for role, parameters in ((owner, _OF_THE_OWNER), (application, _OF_THE_APPLICATION)):
        for name, value in parameters.items():
            cursor.execute(
                sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                    sql.Identifier(role),
                    sql.Identifier(database),
                    sql.SQL(name),
                    sql.Literal(value),
                )
            )
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [tenants])
    if cursor.fetchone() is None:
        # By the owner, who hands it on to the tenants that it makes.
        cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
        cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(tenants)))
        cursor.execute("RESET ROLE")
    cursor.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            sql.Identifier(database), sql.Identifier(tenants)
        )
    )
    _close_views(cursor, owner=owner)


def remember_password(cursor: Any, *, login: str, password: str) -> None:
    """For connections of coordinator and nodes to each other as this login; superusers alone read it.

    Raises:
        ClusterError: a node did not take it.
    """
    statement = sql.SQL("DELETE FROM pg_dist_authinfo WHERE nodeid = 0 AND rolename = {}").format(
        sql.Literal(login)
    )
    if password:  # else the nodes admit it by other means
        statement += sql.SQL("; INSERT INTO pg_dist_authinfo VALUES (0, {}, {})").format(
            sql.Literal(login), sql.Literal(conninfo.make_conninfo(password=password))
        )
    cursor.execute(statement)
    block = sql.SQL("DO {}").format(sql.Literal(f"BEGIN {statement.as_string(cursor)}; END"))
    cursor.execute(
        "SELECT nodename, nodeport FROM run_command_on_workers(%s) WHERE NOT success",
        [block.as_string(cursor)],
    )
    failed = cursor.fetchone()
    if failed is not None:
        # Not what it says: the statement holds the password.
        raise ClusterError(f"The node {failed[0]}:{failed[1]} did not take the login {login}.")


def _close_views(cursor: Any, *, owner: str) -> None:
    """Views of Citus in the shared schema tell everybody the names and sizes of all tenants' schemas.

    The owner of the schema grants rights on all tables in it, and must have some itself.
    """
    cursor.execute(
        "SELECT c.relname FROM pg_class c"
        " JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'"
        " JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid"
        " WHERE e.extname = 'citus' AND c.relnamespace = 'public'::regnamespace"
    )
    for (view,) in cursor.fetchall():
        name = sql.Identifier("public", view)
        cursor.execute(sql.SQL("REVOKE ALL ON {} FROM PUBLIC").format(name))
        cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(name, sql.Identifier(owner)))
