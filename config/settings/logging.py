"""One line an event on standard error; whoever runs the process decides where it goes."""

from typing import Any

from config.env import env
from config.process import process_kind
from shared_apps.core.log_lines import FORMATS, TEXT

# A line of JSON for each event, or text for people; production has JSON unless it is told otherwise.
LOG_FORMAT = env.choice("LOG_FORMAT", default=TEXT, choices=FORMATS)
# A line for each request.
LOG_ACCESS = env.boolean("LOG_ACCESS", default=True)
LOG_LEVEL = env.choice("LOG_LEVEL", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))

# Which statements become lines of the query log, for tenants that have no mode of their own, and where they go.
QUERY_LOG_MODE = env.choice(
    "QUERY_LOG_MODE", default="off", choices=("off", "slow", "sampled", "full")
)
QUERY_LOG_SLOW_MS = env.integer("QUERY_LOG_SLOW_MS", default=500, low=0, high=86_400_000)
QUERY_LOG_SAMPLE_PERCENT = env.integer("QUERY_LOG_SAMPLE_PERCENT", default=1, low=0, high=100)
QUERY_LOG_VALUES = env.boolean("QUERY_LOG_VALUES", default=False)
QUERY_LOG_FILE = env.text("QUERY_LOG_FILE", default="")
_query_log: dict[str, Any] = (
    {
        "class": "shared_apps.core.log.QueryLogFile",
        "filename": QUERY_LOG_FILE,
        "delay": True,
        "encoding": "utf-8",
    }
    if QUERY_LOG_FILE
    # What a command says on standard output belongs to whoever called it.
    else {
        "class": "logging.StreamHandler",
        "stream": "ext://sys.stdout"
        if process_kind() in ("web", "worker", "beat")
        else "ext://sys.stderr",
    }
)

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"context": {"()": "shared_apps.core.log.ContextFilter"}},
    "formatters": {
        form: {"()": "shared_apps.core.log_lines.LineFormatter", "form": form} for form in FORMATS
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["context"],
        },
        "queries": _query_log,
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": [], "propagate": True},
        # A client's mistake is in the access log already.
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # Lines of JSON, as they are.
        "freehold.queries": {"handlers": ["queries"], "level": "INFO", "propagate": False},
    },
}
