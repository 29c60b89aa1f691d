"""Commands in this process, and what they said."""

from io import StringIO

from django.core.management import CommandError, call_command

from shared_apps.core import attribution, context
from tests.ended import Ended


def run(*arguments: str) -> Ended:
    out, err = StringIO(), StringIO()
    code = 0
    with context.operator(), attribution.acting(attribution.command(arguments[0])):
        try:
            call_command(*arguments, stdout=out, stderr=err)
        except CommandError as error:
            err.write(str(error))
            code = error.returncode
        except SystemExit as error:
            code = int(error.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())
