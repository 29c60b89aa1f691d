"""`python -m scripts.stack.chart`: the check `chart` of scripts/check."""

import sys

from scripts.stack import entry
from scripts.stack.chart import linting

with entry.one_line_errors():
    found = linting.findings()
    print("\n".join(found))
    sys.exit(1 if found else 0)
