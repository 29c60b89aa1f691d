"""A product as small as can be, in a clone of its own, for trying the scripts on it.

Texts rather than files, because a second `manage.py` and `config` would confuse every tool.
"""

import shutil
from pathlib import Path

from scripts.stack.paths import ROOT

_MANAGE = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
import psycopg


def demo(accounts):
    if os.environ.get("DEMO_FAILS"):
        sys.exit("the demo cannot go on")
    with psycopg.connect(os.environ["ADMIN_DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS starts (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO starts DEFAULT VALUES")
    users = [{"email": "admin@acme.example", "password": "pw", "role": "admin"}]
    auditor = {"email": "auditor@example.com", "password": "pw", "role": "auditor"}
    Path(accounts).write_text(
        json.dumps(
            {
                "operator": {"email": "operator@example.com", "password": "pw"},
                "tenants": [{"slug": "acme", "users": users}],
                "cross_tenant": [{**auditor, "tenants": ["acme"]}],
            }
        )
    )


def relay():
    if os.environ.get("RELAY_DIES"):
        sys.exit("the relay cannot go on")
    if os.environ.get("RELAY_HAS_STUBBORN_CHILD"):
        subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 1000"])
    print("The relay is working", flush=True)
    while True:
        time.sleep(1)


if sys.argv[1] == "demo":
    demo(sys.argv[3])
elif sys.argv[1] == "audit":
    relay()
else:
    seen = {"arguments": sys.argv[1:], "input": sys.stdin.read(), "env": dict(os.environ)}
    print(json.dumps(seen))
    sys.exit(7)
"""
_ASGI = """
async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ready"})
"""
_GUNICORN = """
worker_class = "asgi"
control_socket_disable = True
"""
_CELERY = """
import os
from celery import Celery

app = Celery("product", broker=os.environ["CELERY_BROKER_URL"])
"""


def make_clone(path: Path) -> Path:
    """A clone with our scripts, the small product, and this repository's virtual environment."""
    shutil.copytree(ROOT / "scripts", path / "scripts")
    shutil.copytree(ROOT / "requirements", path / "requirements")
    settings = path / "config" / "settings"
    settings.mkdir(parents=True)
    for package in (settings.parent, settings):
        (package / "__init__.py").touch()
    # Which programs there are, and with which secrets, is the product's own.
    shutil.copy(ROOT / "config" / "programs.py", path / "config")
    (path / "manage.py").write_text(_MANAGE)
    (path / "config" / "asgi.py").write_text(_ASGI)
    (path / "config" / "gunicorn.py").write_text(_GUNICORN)
    (path / "config" / "celery.py").write_text(_CELERY)
    (settings / "local.py").write_text('SECRET_KEY = "of no use"\n')
    (path / ".venv").symlink_to(ROOT / ".venv")
    return path
