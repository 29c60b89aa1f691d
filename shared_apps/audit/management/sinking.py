"""`manage.py audit sink`: which destinations there are, and the process that serves them."""

import json
import os
import signal
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit.errors import SinkError
from shared_apps.audit.management.trails import id_of, known_names
from shared_apps.audit.sinks import declaring, records
from shared_apps.audit.sinks.delivering import Deliverer
from shared_apps.audit.sinks.records import Sink
from shared_apps.core import databases
from shared_apps.core.databases import Database
from shared_apps.core.references import Reference, Secrets
from shared_apps.core.required import required


def add_arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="sink_action", required=True)
    add = actions.add_parser("add", help="send a tenant's entries on from now")
    _name(add)
    add.add_argument(
        "destination", help="https://…, syslog+tls://…, syslog+tcp://…, syslog+udp://…"
    )
    add.add_argument("--format", choices=("jsonl", "ocsf"), default="jsonl")
    secret = add.add_mutually_exclusive_group()
    secret.add_argument("--secret-env", metavar="NAME", help="the variable with a webhook's secret")
    secret.add_argument("--secret-file", metavar="PATH", help="the file with a webhook's secret")
    _after(add, "begin after this entry; 0: with the first")
    for action, said in (("remove", "forget it"), ("disable", "send nothing more for a while")):
        _name(actions.add_parser(action, help=said))
    enable = actions.add_parser("enable", help="go on after it was disabled")
    _name(enable)
    _after(enable, "go on after this entry, whatever was sent")
    listing = actions.add_parser("list", help="where each one is")
    listing.add_argument("--tenant", action="append", metavar="SLUG|ID")
    listing.add_argument("--json", action="store_true")
    run = actions.add_parser("run", help="serve them until stopped")
    run.add_argument("--once", action="store_true", help="stop when nothing more can be sent")


def _name(parser: ArgumentParser) -> None:
    parser.add_argument("name")
    parser.add_argument("--tenant", required=True, metavar="SLUG|ID")


def _after(parser: ArgumentParser, said: str) -> None:
    parser.add_argument("--after", type=int, metavar="SEQUENCE", help=said)


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    action = options["sink_action"]
    try:
        if action == "run":
            _deliver(command, once=options["once"])
        elif action == "list":
            _list(command, options)
        elif action == "add":
            _add(command, options)
        else:
            _change(command, action, options)
    except SinkError as error:
        raise CommandError(error.text) from error


def _deliver(command: BaseCommand, *, once: bool) -> None:
    deliverer = Deliverer(
        url=required("AUDIT_AUDITOR_DATABASE_URL"),
        secrets=Secrets(environment=os.environ, directory=Path("/")),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: deliverer.stop())
    if once:
        command.stdout.write(f"delivered {deliverer.run_once()} entries")
    else:
        deliverer.run()


def _list(command: BaseCommand, options: Mapping[str, Any]) -> None:
    names = known_names()
    tenants = options["tenant"] and [id_of(text, names) for text in options["tenant"]]
    with databases.connect(required("AUDIT_AUDITOR_DATABASE_URL"), Database.AUDIT) as connection:
        sinks = records.list_sinks(connection, tenants)
    if options["json"]:
        described = [
            {
                "tenant": names.get(s.tenant_id, ""),
                **asdict(s),
                "state": s.state,
                "waiting": s.head - s.sequence,
            }
            for s in sinks
        ]
        command.stdout.write(json.dumps({"sinks": described}, default=str))
        return
    for s in sinks:
        command.stdout.write(
            f"{s.state:<9}{names.get(s.tenant_id, str(s.tenant_id))}/{s.name}  {s.destination}"
            f"  {s.sequence} of {s.head}" + (f"  {s.last_error}" if s.last_error else "")
        )
    if not sinks:
        command.stdout.write("no sinks")


def _add(command: BaseCommand, options: Mapping[str, Any]) -> None:
    tenant_id = id_of(options["tenant"], known_names())
    secret = _reference(options)
    declaring.require_possible(options["destination"], secret)
    if secret is not None and secret.file and not secret.file.startswith("/"):
        raise SinkError("the secret's file must be a path that begins with /")
    after = options["after"]
    if after is not None and after < 0:
        raise SinkError("--after must be 0 or more")
    described = {"name": options["name"], "destination": options["destination"]}
    with declaring.recorded(tenant_id) as (owner, record):
        record(options["name"], {}, described)
        sink = records.add(
            owner, tenant_id=tenant_id, name=options["name"], destination=options["destination"],
            entry_format=options["format"], secret=secret, after=after,
        )  # fmt: skip
    command.stdout.write(
        f"{sink.name} begins after entry {sink.sequence}; `manage.py audit sink run` serves it"
    )


def _reference(options: Mapping[str, Any]) -> Reference | None:
    if not (options["secret_env"] or options["secret_file"]):
        return None
    return Reference(env=options["secret_env"], file=options["secret_file"])


def _change(command: BaseCommand, action: str, options: Mapping[str, Any]) -> None:
    tenant_id = id_of(options["tenant"], known_names())
    after = options.get("after")
    if after is not None and after < 0:
        raise SinkError("--after must be 0 or more")
    with databases.connect(required("AUDIT_MIGRATION_DATABASE_URL"), Database.AUDIT) as owner:
        sink = records.find_sink(owner, tenant_id, options["name"])
    if sink is None:
        raise SinkError(f"there is no sink {options['name']}")
    with declaring.recorded(tenant_id) as (owner, record):
        record(sink.name, _described(sink), {"action": action})
        match action:
            case "remove":
                records.remove(owner, sink)
            case "disable":
                records.disable(owner, sink)
            case _:
                records.enable(owner, sink, after=after)
    command.stdout.write(f"{sink.name}: {action}d")


def _described(sink: Sink) -> dict[str, Any]:
    return {"name": sink.name, "destination": sink.destination, "sequence": sink.sequence}
