"""The command line behind scripts/bench."""

import argparse
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from scripts.stack.console import for_people
from scripts.stack.errors import StackError
from tests.benchmarks import machine, registry, report
from tests.benchmarks.benchmark import Scale
from tests.benchmarks.progress import Progress
from tests.benchmarks.running import run

_USAGE_ERROR = 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """In one line, without the usage."""
        self.exit(_USAGE_ERROR, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    if options.list:
        for name in registry.names():
            print(f"{name:<14}{registry.load(name).summary}")
        return
    scale = Scale.QUICK if options.quick else Scale.FULL
    # Standard output is for the result alone.
    console = for_people(json=True)
    facts = machine.describe()
    results = []
    for name in options.names or registry.names():
        benchmark = registry.load(name)
        rounds = options.rounds or (1 if options.quick else benchmark.rounds)
        with console.step(name) as show:
            progress = Progress(name, show=show, line=console.line)
            results.append(run(name, benchmark, rounds=rounds, scale=scale, progress=progress))
    print(report.as_json(facts, results) if options.json else report.as_text(facts, results))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="bench", description="Run the benchmarks (docs/benchmarks.md).")
    parser.add_argument("names", metavar="NAME", nargs="*", help="which; all unless named")
    parser.add_argument("--list", action="store_true", help="what there is")
    parser.add_argument("--json", action="store_true", help="print JSON with every sample")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="instead of each one's own")
    parser.add_argument(
        "--quick", action="store_true", help="very little work: does it run? figures mean nothing"
    )
    options = parser.parse_args(arguments)
    known = registry.names()
    for name in options.names:
        if name not in known:
            parser.error(f"No benchmark is called {name}; there are {', '.join(known)}")
    return options


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


if __name__ == "__main__":
    # So that `kill` takes servers and files down as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        main(sys.argv[1:])
    except StackError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
