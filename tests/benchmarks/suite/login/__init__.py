"""A sign-in by a tenant's directory, beside the one bind that the directory itself makes of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from tests.benchmarks.benchmark import Benchmark, Case, Contender, Goal, Part, Scale, Unit
from tests.benchmarks.site import site
from tests.benchmarks.suite.login.signing_in import Directory
from tests.benchmarks.workers import Worker, worker
from tests.directories import slapd

_HERE = {"AUTH_EGRESS_ALLOW": "127.0.0.0/8,::1/128"}


@contextmanager
def cases(scale: Scale) -> Iterator[Sequence[Case]]:
    with (
        slapd.running(organisation="acme") as server,
        site() as here,
        worker(
            f"{__name__}.signing_in:SigningIn",
            name="ours",
            environment={**here.environment, **_HERE},
            directory=here.directory,
        ) as process,
    ):
        directory = Directory(
            server.options(), server.bind_password, server.dn("alice"), server.password("alice")
        )
        process.call("install", **asdict(directory))
        yield [Case("OpenLDAP over LDAPS, on this machine", _contenders(process))]


def _contenders(process: Worker) -> tuple[Contender, ...]:
    return (
        Contender(
            "bare bind",
            Part.FLOOR,
            "ldap3: a new TLS connection, without Nagle's delay, and one bind as the person",
            lambda: float(process.call("bind_barely")),
        ),
        Contender(
            "proof",
            Part.INFORMATION,
            "what is asked of the directory: service bind, search, the person's bind, groups",
            lambda: float(process.call("prove")),
        ),
        Contender(
            "sign-in",
            Part.INFORMATION,
            "the whole of it: the proof, who that is here, session and tokens",
            lambda: float(process.call("sign_in")),
        ),
        Contender(
            "beyond the bind",
            Part.OURS,
            "a sign-in less the bare bind made just before it",
            lambda: float(process.call("beyond_the_bind")),
        ),
    )


BENCHMARK = Benchmark(
    summary="a sign-in by a directory, beyond the directory's own bind",
    unit=Unit("s", higher_is_better=False),
    rounds=60,
    warm_up_rounds=5,
    goals=(Goal("beyond the bind", at_most=0.015),),
    distributions=("django", "ldap3", "psycopg"),
    cases=cases,
)
