#!/usr/bin/env python3
"""Django's command line. A person at this console is the operator: commands start in that context."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    from django.core.management import execute_from_command_line

    from shared_apps.core import attribution, context

    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    with context.operator(), attribution.acting(attribution.command(command)):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
