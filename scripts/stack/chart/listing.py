"""The images that a cluster has to have: those that the rendered manifests name, one a line.

Every container of every pod counts, also those of Jobs, hooks and tests. Needs no network.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from scripts.stack.chart import helm
from scripts.stack.chart.pods import images_of
from scripts.stack.errors import StackError


def main(arguments: Sequence[str]) -> int:
    """Raises StackError: there is no such file, or helm refuses the values."""
    parser = argparse.ArgumentParser(
        prog="scripts/chart-images",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-f", "--values", action="append", default=[], metavar="FILE", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    for file in options.values:
        if not file.is_file():
            raise StackError(f"There is no file {file}")
    settings = [part for setting in options.set for part in ("--set", setting)]
    images = images_of(helm.parse(helm.render(options.values, *settings)))
    print(json.dumps(images) if options.json else "\n".join(images))
    return 0
