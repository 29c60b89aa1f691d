"""`manage.py tenant` in this process, with a file of its own."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from django.core.management import CommandError, call_command

from shared_apps.core import attribution, context
from tests.ended import Ended


@dataclass(frozen=True)
class Console:
    file: Path

    def declare(self, *tenants: str) -> None:
        """Each a tenant's mapping, in YAML's flow style."""
        entries = "".join(f"  - {tenant}\n" for tenant in tenants)
        self.file.write_text(f"apiVersion: freehold/v1\ntenants:\n{entries}" if tenants else
                             "apiVersion: freehold/v1\ntenants: []\n")  # fmt: skip

    def run(self, *arguments: str) -> Ended:
        out, err = StringIO(), StringIO()
        code = 0
        with context.operator(), attribution.acting(attribution.command("tenant")):
            try:
                call_command("tenant", *arguments, stdout=out, stderr=err)
            except CommandError as error:
                err.write(str(error))
                code = error.returncode
            except SystemExit as error:
                code = int(error.code or 0)
        return Ended(code, out.getvalue(), err.getvalue())

    def plan(self, *arguments: str) -> Ended:
        return self.run("plan", "-f", str(self.file), *arguments)

    def apply(self, *arguments: str) -> Ended:
        return self.run("apply", "-f", str(self.file), "--yes", *arguments)


def tenant(slug: str, **more: str) -> str:
    """A small declaration, in which keys can be replaced."""
    keys = {
        "slug": slug,
        "name": f"{slug.title()} GmbH",
        "domains": f"[{slug}.localhost]",
        "admins": f"[admin@{slug}.example]",
        **more,
    }
    return "{" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}"
