"""What the scripts have in common: errors in one line, and a hand-over to the product's Python."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from scripts.stack.bootstrap import Requirements, ensure_environment, hold_in_use
from scripts.stack.errors import StackError
from scripts.stack.paths import ROOT


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print what went wrong without a trace, and exit."""
    try:
        yield
    except StackError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our lines (`| head`) has seen enough; Python must not try to flush more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def prepare(requirements: Requirements) -> Path:
    """The environment's Python; says so when making the environment takes its time."""
    return ensure_environment(
        requirements, announce=lambda text: print(text, file=sys.stderr, flush=True)
    )


def run_python(
    requirements: Requirements,
    arguments: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
) -> NoReturn:
    """Become the environment's Python, in the repository root."""
    become(prepare(requirements), arguments, env=os.environ)


def become(
    python: Path, arguments: Sequence[str], *, env: Mapping[str, str], stays_here: bool = False
) -> NoReturn:
    """Replace this process; exit code, input and output are the new one's.

    In the product's directory, unless it `stays_here`, where paths in its arguments lead from.
    """
    hold_in_use(python.parents[1])
    if not stays_here:
        os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(python, [str(python), *arguments], dict(env))
