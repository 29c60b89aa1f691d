"""Remove containers when the other end of standard input closes: its holder has ended or died."""

import sys
from contextlib import suppress

import docker  # type: ignore[import-untyped]  # it ships no types
import docker.errors  # type: ignore[import-untyped]


def main() -> None:
    identifiers = sys.stdin.read().split()
    client = docker.from_env()
    for identifier in identifiers:
        # Usually gone already: the holder stopped it in the ordinary way.
        with suppress(docker.errors.NotFound):
            client.containers.get(identifier).remove(force=True, v=True)


if __name__ == "__main__":
    main()
