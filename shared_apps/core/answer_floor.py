"""Answers that are held back so that the time they took tells nothing.

A view that must not tell an unknown person from a known one marks its refusals; the server waits with
them until the next full multiple of ANSWER_FLOOR_MS since the work began. So a directory that says no to
an unknown name in 1 ms and to a wrong password in 5 looks the same from outside, and what takes
longer than one floor falls on the next.

Nothing waits meanwhile but a timer: the thread, the tenant's share and the database connection are free.
"""

import time

from django.conf import settings
from django.http.response import HttpResponseBase

_MARK = "_not_before"


def hold(response: HttpResponseBase, *, began_at: float) -> None:
    """Send `response` at the next multiple of the floor; `began_at` is by `time.monotonic()`."""
    floor = settings.ANSWER_FLOOR_MS / 1000
    setattr(response, _MARK, due_at(began_at=began_at, now=time.monotonic(), floor=floor))


def is_held(response: HttpResponseBase) -> bool:
    """Whether nothing may tell how long its work took."""
    return hasattr(response, _MARK)


def due_at(*, began_at: float, now: float, floor: float) -> float:
    """When an answer that is ready `now` is sent; all three in seconds, by one clock."""
    if floor <= 0:
        return now
    return began_at + floor * max(1, -(-(now - began_at) // floor))


def seconds_left(response: HttpResponseBase, *, now: float) -> float:
    """For how long an answer is still held back; 0 for those that are not."""
    return max(0.0, getattr(response, _MARK, now) - now)
