"""An installation of the product in the test servers."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

import psycopg
import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from shared_apps.audit import triggers
from shared_apps.audit.relay import Relay
from shared_apps.core import attribution, context, redis_keys
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding import demo
from shared_apps.tenants import names, routing, selectors

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Installation:
    tenants: dict[str, TenantIdentity]
    people: frozenset[UUID]
    password: str

    @classmethod
    def set_up(cls) -> Self:
        """Install, migrate, and make acme and globex with an admin, an editor and a viewer each."""
        people = [
            f"{role}@{slug}.example"
            for slug in demo.SLUGS
            for role in ("admin", "editor", "viewer")
        ]
        known = dict.fromkeys([*people, "operator@example.com", "auditor@example.com"], PASSWORD)
        with context.operator(), attribution.acting(attribution.command("test")):
            call_command("install", verbosity=0)
            demo.set_up(
                passwords=demo.Passwords(known), at=datetime.now(UTC), report=lambda _: None
            )
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT id FROM accounts_user")
                ids = frozenset(row[0] for row in cursor.fetchall())
        tenants = {slug: selectors.get_tenant(slug=slug).identity for slug in demo.SLUGS}
        installed = cls(tenants=tenants, people=ids, password=PASSWORD)
        installed.relay()
        return installed

    def relay(self) -> int:
        """Move every outbox into the audit database now."""
        return Relay(
            source_url=settings.RELAY_DATABASE_URL,
            target_url=settings.AUDIT_DATABASE_URL,
            redis_url=settings.REDIS_URL,
        ).run_once()

    def clean(self) -> None:
        """Empty what a test may have filled."""
        tables = [table.name for table in triggers.tables(shared=False)]
        with self.owner() as connection, connection.transaction():
            for tenant in self.tenants.values():
                own = [sql.Identifier(tenant.schema, name) for name in [*tables, "audit_outbox"]]
                # In one statement, so that the triggers of the tables fill an outbox that is emptied.
                connection.execute(
                    sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(own[:-1]))
                ) if tables else None
                answers = sql.Identifier(tenant.schema, "idempotency_storedanswer")
                for filled in (own[-1], answers):
                    connection.execute(sql.SQL("DELETE FROM {}").format(filled))
            for table in ("invoice", "vendor", "staleness"):
                connection.execute(
                    sql.SQL("DELETE FROM {}").format(sql.Identifier(f"portfolio_{table}"))
                )
            connection.execute("DELETE FROM onboarding_tenanterasure")
            connection.execute("DELETE FROM onboarding_erasure")
            for table in ("syncitem", "syncpreview", "agreedrecord", "syncposition"):
                connection.execute(
                    sql.SQL("DELETE FROM {}").format(sql.Identifier(f"directory_sync_{table}"))
                )
            connection.execute("DELETE FROM authn_impersonation")
            connection.execute("DELETE FROM authn_signinpolicy")
            connection.execute("DELETE FROM mail_outgoingmail")
            connection.execute("DELETE FROM mail_tenantmailserver")
            connection.execute("DELETE FROM authn_ticket")
            connection.execute("DELETE FROM authn_registrationpolicy")
            connection.execute("DELETE FROM authn_refreshtoken")
            connection.execute("DELETE FROM authn_browsercookie")
            connection.execute("DELETE FROM authn_session")
            connection.execute("DELETE FROM authn_authconfiguration")
            connection.execute("DELETE FROM accounts_identity")
            for table in ("accounts_usertenantrole", "accounts_crosstenantgrant"):
                connection.execute(
                    sql.SQL("DELETE FROM {} WHERE NOT user_id = ANY(%s)").format(
                        sql.Identifier(table)
                    ),
                    [list(self.people)],
                )
            connection.execute("DELETE FROM accounts_tenantrole")
            prefix = names.person_role_prefix(settings.DATABASES["default"]["NAME"])
            connection.execute(
                "SELECT public.drop_person_role(person) FROM ("
                "SELECT substr(rolname, %s)::uuid AS person FROM pg_roles WHERE starts_with(rolname, %s)) p"
                " WHERE person NOT IN (SELECT user_id FROM accounts_crosstenantgrant)",
                [len(prefix) + 1, prefix],
            )
            connection.execute(
                "DELETE FROM accounts_user WHERE NOT id = ANY(%s)", [list(self.people)]
            )
            connection.execute("DELETE FROM audit_outbox")
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            for key in client.scan_iter(match=f"{redis_keys.installation('limits*')}:*"):
                client.delete(key)
            for key in client.scan_iter(match=f"{redis_keys.installation('results')}:*"):
                client.delete(key)  # the tables were emptied past the ORM
            client.delete(redis_keys.installation("unnamed-proxy"))
        shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)
        routing.announce_change()

    def drop(self) -> None:
        """Leave nothing on a server that outlives the tests."""
        for connection in connections.all():
            connection.close()
        self._drop(settings.ADMIN_DATABASE_URL, settings.DATABASES["default"]["NAME"])
        audit = psycopg.conninfo.conninfo_to_dict(settings.AUDIT_DATABASE_URL)["dbname"]
        self._drop(settings.AUDIT_ADMIN_DATABASE_URL, str(audit))

    def _drop(self, admin_url: str, database: str) -> None:
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
            )
            prefix = database.removesuffix("_audit")
            roles = admin.execute(
                "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", [f"{prefix}_"]
            ).fetchall()
            for (role,) in roles:
                try:
                    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
                except psycopg.errors.DependentObjectsStillExist:
                    continue  # its other database is dropped next

    def owner(self) -> psycopg.Connection[Any]:
        """As the login that owns the schemas, for what the application may not do."""
        database = settings.DATABASES["migration"]
        return psycopg.connect(
            host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
            user=database["USER"], password=database["PASSWORD"],
        )  # fmt: skip
