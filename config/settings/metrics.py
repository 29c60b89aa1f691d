"""What Prometheus is shown, where, and of whom (docs/observability.md)."""

import re
from pathlib import Path

from config.env import env

# Figures of all processes of a program are kept there and added up; made empty before they start. The
# library reads the variable itself, so it is set in the environment and in no file.
PROMETHEUS_MULTIPROC_DIR = env.text("PROMETHEUS_MULTIPROC_DIR", default="")
if PROMETHEUS_MULTIPROC_DIR and not Path(PROMETHEUS_MULTIPROC_DIR).is_dir():
    env.problems.append("PROMETHEUS_MULTIPROC_DIR is not a directory")

METRICS_TOKEN = env.secret("METRICS_TOKEN", default="")
METRICS_LISTEN = env.text("METRICS_LISTEN", default="")
if METRICS_LISTEN and not re.fullmatch(r"([\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}", METRICS_LISTEN):
    env.problems.append("METRICS_LISTEN must be host:port, as 127.0.0.1:9464")

_SLUGS = re.compile(r"off|all|[a-z][a-z0-9-]*(,[a-z][a-z0-9-]*)*")
METRICS_TENANTS = env.text("METRICS_TENANTS", default="off")
if not _SLUGS.fullmatch(METRICS_TENANTS):
    env.problems.append("METRICS_TENANTS must be off, all, or slugs separated by commas")
METRICS_TENANTS_MOST = env.integer("METRICS_TENANTS_MOST", default=50, low=1, high=1000)

# A header that tells browsers' developer tools how long the answer took.
SERVER_TIMING = env.boolean("SERVER_TIMING", default=False)
