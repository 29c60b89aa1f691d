"""`python -m scripts.stack.chart check|table|images|secrets`: what scripts/check and scripts/chart-* run."""

import sys

from scripts.stack import entry
from scripts.stack.chart import linting, listing, secrets, table

_COMMANDS = {"table": table.main, "images": listing.main, "secrets": secrets.main}

with entry.one_line_errors():
    if sys.argv[1:] == ["check"]:
        found = linting.findings()
        print("\n".join(found))
        sys.exit(1 if found else 0)
    name = sys.argv[1]
    sys.argv[0] = f"scripts/chart-{name}"
    sys.exit(_COMMANDS[name](sys.argv[2:]))
