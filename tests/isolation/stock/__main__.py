"""Run probes over acme and globex and print what they found: `python -m tests.isolation.stock PROBE…`."""

import json
import sys

import django


def main(password: str, *probes: str) -> None:
    from shared_apps.onboarding.laboratory import laboratory
    from shared_apps.onboarding.laboratory.report import Report
    from shared_apps.tenants import selectors
    from tests.isolation.subjects import make_subject

    acme, globex = (
        make_subject(selectors.get_tenant(slug=slug).identity, password)
        for slug in ("acme", "globex")
    )
    report = Report(list(laboratory.run(laboratory.Pair(acme, globex), list(probes))))
    print(json.dumps(report.as_dict()))


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
