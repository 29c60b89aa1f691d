"""A domain of Active Directory (Samba) in a container, with people in every state.

By hand: `python -m tests.directories.samba build` makes the image, once; `… run` a domain that ends with Ctrl-C.
"""

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytest

from scripts.stack.containers import guard
from tests.directories import samba_people
from tests.directories.samba_people import BASE_DN, PASSWORD, USERS_DN, Administration, Bound
from tests.waiting import wait_until

_IMAGE_SOURCE = Path(__file__).parent / "images" / "samba"
_CA = "/srv/tls/ca.pem"


@dataclass(frozen=True)
class Domain:
    """A running domain; `url` over TLS, `plain_url` for what must not be used."""

    container: str
    url: str
    plain_url: str
    ca: str
    """The PEM of the authority that signed its certificate."""
    base_dn: str = BASE_DN
    bind_dn: str = f"CN=freehold,{USERS_DN}"
    """An ordinary account without special rights, beside that to see what was deleted."""
    bind_password: str = PASSWORD

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def plain_port(self) -> int:
        return int(self.plain_url.rpartition(":")[2])

    @property
    def options(self) -> dict[str, str]:
        """As a tenant that uses it declares them."""
        return {
            "url": self.url,
            "base_dn": self.base_dn,
            "bind_dn": self.bind_dn,
            "ca_certificate": self.ca,
        }

    def lock(self, name: str) -> None:
        """By as many wrong passwords as the domain takes; a right one in between would begin anew."""
        for _ in range(samba_people.LOCKOUT_THRESHOLD):
            self.try_bind(name, "wrong")
        assert self.is_locked(name)

    def is_locked(self, name: str) -> bool:
        return "data 775" in self.try_bind(name, PASSWORD).message

    def try_bind(self, name: str, password: str) -> Bound:
        """A direct bind, past the product: as `CN=<name>` among the users."""
        with samba_people.connected(self.url, self.ca, f"CN={name},{USERS_DN}", password) as bound:
            return bound

    @contextmanager
    def administration(self) -> Iterator[Administration]:
        with samba_people.administering(self.url, self.ca) as administration:
            yield administration

    def age_password(self, *names: str, days: float) -> None:
        """Over LDAP not even an administrator may write when a password was last changed."""
        _docker("exec", self.container, "age-password", str(days), *names)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It still takes connections, and answers nothing."""
        _docker("pause", self.container)
        try:
            yield
        finally:
            _docker("unpause", self.container)


def unavailable(*, but_for_image: bool = False) -> str | None:
    """Why no domain can be had here."""
    try:
        engine = _docker_runs("version")
    except FileNotFoundError:
        return "Samba AD needs Docker, which is not installed"
    if not engine:
        return "Samba AD needs a Docker Engine, and none answers"
    if not but_for_image and not _docker_runs("image", "inspect", image()):
        return (
            "Samba AD needs its image: run `python -m tests.directories.samba build`"
            " (two minutes, once)"
        )
    return None


def require_samba() -> None:
    """Skips the test where it cannot be had, unless FREEHOLD_REQUIRE_DIRECTORIES is 1."""
    reason = unavailable()
    if reason and os.environ.get("FREEHOLD_REQUIRE_DIRECTORIES") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def image() -> str:
    """Another tag for other contents, so that nobody tests what was before."""
    contents = hashlib.sha256()
    for file in sorted(_IMAGE_SOURCE.iterdir()):
        contents.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"freehold-test/samba:{contents.hexdigest()[:12]}"


def build() -> None:
    if not _docker_runs("image", "inspect", image()):
        command = ["docker", "build", "--network", "host", "-t", image(), str(_IMAGE_SOURCE)]
        subprocess.run(command, check=True)


@contextmanager
def running(*, old_password_minutes: int = 0) -> Iterator[Domain]:
    """A domain of one's own on free ports of 127.0.0.1, also if this process is killed.

    Before `old_password_minutes` are over, a password that was changed is still good for a bind; 60 in Windows.
    """
    options = ("-p", "127.0.0.1::389", "-p", "127.0.0.1::636")
    setting = f"OLD_PASSWORD_MINUTES={old_password_minutes}"
    with guard() as watch:
        container = _docker("run", "--rm", "-d", "--init", "-e", setting, *options, image())
        watch(container)
        try:
            yield _ready(container)
        finally:
            _docker("rm", "-f", "-v", container)


def _ready(container: str) -> Domain:
    wait_until(
        lambda: _docker_runs("exec", container, "test", "-e", _CA), "Samba's keys", timeout=60
    )
    archive = subprocess.run(
        ["docker", "cp", f"{container}:{_CA}", "-"], check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        ca = files.extractfile("ca.pem")
        assert ca is not None
        domain = Domain(
            container=container,
            url=f"ldaps://127.0.0.1:{_port(container, 636)}",
            plain_url=f"ldap://127.0.0.1:{_port(container, 389)}",
            ca=ca.read().decode(),
        )
    wait_until(lambda: samba_people.answers(domain.url, domain.ca), "Samba answers", timeout=60)
    with domain.administration() as administration:
        samba_people.populate(administration)
    domain.age_password("expired", days=100)
    domain.age_password("old", days=40)
    return domain


def _port(container: str, port: int) -> str:
    return _docker("port", container, f"{port}/tcp").splitlines()[0].rpartition(":")[2]


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout.strip()


def _docker_runs(*arguments: str) -> bool:
    return subprocess.run(["docker", *arguments], capture_output=True).returncode == 0


def _main(arguments: Sequence[str]) -> None:
    if arguments == ["build"]:
        build()
        return
    if arguments != ["run"]:
        sys.exit("usage: python -m tests.directories.samba build|run")
    reason = unavailable()
    if reason:
        sys.exit(reason)

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with running() as domain:
        lines = [domain.url, domain.base_dn, domain.bind_dn, domain.bind_password, domain.ca]
        sys.stdout.write("\n".join(lines))
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    _main(sys.argv[1:])
