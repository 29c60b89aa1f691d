"""Django's WSGI handler, with answers that are held back. It waits in the request's thread: there is no other."""

import time
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest

from shared_apps.core import answer_floor


class PatientWSGIHandler(WSGIHandler):
    def get_response(self, request: HttpRequest) -> Any:
        response = super().get_response(request)
        if wait := answer_floor.seconds_left(response, now=time.monotonic()):
            time.sleep(wait)
        return response


def get_application() -> PatientWSGIHandler:
    """For config/wsgi.py, in the place of Django's `get_wsgi_application`."""
    django.setup(set_prefix=False)
    return PatientWSGIHandler()
