"""A product as small as can be, for trying the quickstart's machinery on it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def demo(accounts: str) -> None:
    if os.environ.get("DEMO_FAILS"):
        print("the demo cannot go on")
        sys.exit(3)
    # Proves that the superuser's address works; the password travels in it.
    import psycopg

    with psycopg.connect(os.environ["ADMIN_DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS starts (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO starts DEFAULT VALUES")
    time.sleep(float(os.environ.get("DEMO_SECONDS", "0")))
    people = [{"email": "admin@acme.example", "password": "pw", "role": "admin"}]
    content = {
        "operator": {"email": "operator@example.com", "password": "pw"},
        "tenants": [{"slug": "acme", "users": people}],
        "cross_tenant": [
            {"email": "auditor@example.com", "password": "pw", "role": "auditor", "tenants": ["acme"]}
        ],
    }
    Path(accounts).write_text(json.dumps(content))


def relay() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # A child of its own that does not care about polite signals.
    subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 1000"])
    print("The relay is working", flush=True)
    if os.environ.get("RELAY_DIES"):
        sys.exit("the relay cannot go on")
    while True:
        time.sleep(1)


if sys.argv[1] == "demo":
    demo(sys.argv[3])
elif sys.argv[1] == "audit":
    relay()
else:
    print(json.dumps({"arguments": sys.argv[1:], "input": sys.stdin.read(), **os.environ}))
    sys.exit(7)
