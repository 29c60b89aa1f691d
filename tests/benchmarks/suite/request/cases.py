"""Sets the servers, tenants and processes up and puts the contenders' work together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from urllib.parse import urlsplit, urlunsplit

from scripts.stack.errors import StackError
from scripts.stack.pgbouncer import PgBouncer, Upstream
from tests.benchmarks.benchmark import Case, Contender, Scale
from tests.benchmarks.site import Site, site
from tests.benchmarks.suite.request.contenders import FIXED_TOKEN, RequestContender
from tests.benchmarks.suite.request.installation import (
    FIRST_SCHEMA,
    PASSWORD,
    admin_email,
    host,
)
from tests.benchmarks.workers import Worker, worker

_ROWS = 50
_HERE = "tests.benchmarks.suite.request"


@dataclass(frozen=True, slots=True)
class _Listing:
    """`batch`: requests in one sample; few, so that contenders take turns several times a second."""

    name: str
    path: str
    batch: int


_TENANTS = {Scale.FULL: 20, Scale.QUICK: 2}
# Invoices are what people list; vendors are flat rows in two queries, where tenancy weighs most.
_LISTINGS = (
    _Listing("50 invoices with vendor and items", "/api/v1/invoices/", batch=8),
    _Listing("50 vendors", "/api/v1/vendors/", batch=16),
)


Counting = Callable[[RequestContender, Worker, str, Sequence[str], Scale], Mapping[str, float]]


def traffic(
    _: RequestContender, process: Worker, path: str, hosts: Sequence[str], __: Scale
) -> Mapping[str, float]:
    """What a request sends over the connection, which must outlive it."""
    counted = asdict(process.call("traffic", path=path, hosts=hosts))
    return {name.replace("_", " "): value for name, value in counted.items()}


@contextmanager
def cases(
    scale: Scale,
    *,
    contenders: Sequence[RequestContender],
    counting: Counting = traffic,
    by_processor: bool = False,
) -> Iterator[Sequence[Case]]:
    hosts = [host(number) for number in range(1, _TENANTS[scale] + 1)]
    with ExitStack() as stack:
        place = stack.enter_context(site())
        # They load Django while the tenants are made.
        workers = {
            contender: stack.enter_context(
                _driver(contender, place, stack.enter_context(_way(contender, place)))
            )
            for contender in contenders
        }
        _install(place, tenants=len(hosts))
        for contender, process in workers.items():
            _give_tokens(contender, process, hosts)
        _require_same_answers(workers, hosts)
        yield [
            Case(
                name=f"{listing.name}, {occasion}",
                contenders=tuple(
                    _contender(
                        contender,
                        process,
                        listing,
                        asked,
                        partial(counting, contender, process, listing.path, asked, scale),
                        by_processor,
                    )
                    for contender, process in workers.items()
                ),
            )
            for listing in _LISTINGS
            for occasion, asked in (
                ("one tenant", hosts[:1]),
                (f"alternating between {len(hosts)} tenants", hosts),
            )
        ]


def _install(place: Site, *, tenants: int) -> None:
    with worker(
        f"{_HERE}.installation:Installer",
        name="installation",
        environment=place.environment,
        directory=place.directory,
    ) as installer:
        installer.call("install", tenants=tenants, rows=_ROWS)


@contextmanager
def _way(contender: RequestContender, place: Site) -> Iterator[Mapping[str, str]]:
    """The URLs that lead the contender to PostgreSQL, through a pooler if it wants one."""
    names = ("DATABASE_URL", "MIGRATION_DATABASE_URL")
    if not contender.behind_pooler:
        yield {}
        return
    pooler = PgBouncer(
        place.directory / f"pooler-{contender.name.replace(' ', '-')}",
        upstreams=tuple(Upstream.of_url(place.environment[name]) for name in names),
        pool_mode="transaction",
        # Where there are no tenants the path is the connection's own.
        connect_query="" if contender.has_tenants else f"SET search_path = {FIRST_SCHEMA}",
    )
    pooler.start()
    try:
        yield {name: _at_port(place.environment[name], pooler.port) for name in names}
    finally:
        pooler.stop()


def _at_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))


def _driver(
    contender: RequestContender, place: Site, way: Mapping[str, str]
) -> AbstractContextManager[Worker]:
    return worker(
        f"{_HERE}.driver:RequestDriver",
        name=contender.name,
        environment={
            **place.environment,
            **way,
            **contender.environment,
            "DJANGO_SETTINGS_MODULE": contender.settings,
            # Longer than the benchmark takes.
            "ACCESS_TOKEN_MINUTES": "60",
        },
        directory=place.directory,
    )


def _give_tokens(contender: RequestContender, process: Worker, hosts: Sequence[str]) -> None:
    if contender.signs_in:
        credentials = {
            name: (admin_email(number), PASSWORD) for number, name in enumerate(hosts, start=1)
        }
        process.call("sign_in", credentials=credentials)
    else:
        process.call("use_tokens", tokens=dict.fromkeys(hosts, FIXED_TOKEN))


def _require_same_answers(workers: Mapping[RequestContender, Worker], hosts: Sequence[str]) -> None:
    """Byte by byte, at each tenant; raises StackError. It also makes every connection warm."""
    for listing in _LISTINGS:
        expected: list[str] = []
        for contender, process in workers.items():
            asked = hosts if contender.has_tenants else hosts[:1]
            digests = process.call("digests", path=listing.path, hosts=asked, rows=_ROWS)
            both = min(len(digests), len(expected))
            if digests[:both] != expected[:both]:
                raise StackError(f"{contender.name} gives another list of {listing.name}")
            expected = max(expected, digests, key=len)


def _contender(
    contender: RequestContender,
    process: Worker,
    listing: _Listing,
    hosts: Sequence[str],
    count: Callable[[], Mapping[str, float]],
    by_processor: bool,
) -> Contender:
    def measure() -> float:
        rate: float = process.call(
            "rate",
            path=listing.path,
            hosts=hosts,
            requests=listing.batch,
            by_processor=by_processor,
        )
        return rate

    return Contender(contender.name, contender.part, contender.what, measure, count)
