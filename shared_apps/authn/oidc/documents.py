"""What a provider publishes, kept for all processes and fetched seldom, whoever asks however often."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from django.core.cache import cache

from shared_apps.authn.errors import BackendUnavailableError
from shared_apps.authn.oidc import transport
from shared_apps.core import context

_KEPT = 24 * 60 * 60
"""Seconds."""
_PAUSE = 60
"""Seconds between two fetches of one document, over all processes."""
_PAUSE_AFTER_FAILURE = 5
_LONGEST_WAIT = 6.0
"""Seconds to wait for what another process is fetching: a little longer than that may take."""

_FAILED = "failed"

Document = Mapping[str, Any]


def get(
    url: str, *, is_enough: Callable[[Document], bool] = lambda document: True
) -> Document | None:
    """The document at `url`; a newer one if what is kept is not enough and was not fetched just now.

    None when even that one is not enough.

    Raises:
        BackendUnavailableError: there is none, and it cannot be fetched.
    """
    with context.operator():
        kept = cache.get(_key(url))
        if kept is not None and is_enough(kept):
            return dict(kept)
        # `add` is true for one asker only; and for none when Redis is down, so that no flood of
        # unknown keys becomes a flood of fetches then.
        if cache.add(_fetched_key(url), "fetching", _PAUSE):
            document = _fetch(url)
        elif kept is not None:
            return None
        elif cache.get(_fetched_key(url)) == _FAILED:
            raise BackendUnavailableError(f"{url} did not answer just now")
        else:
            document = _wait_for(url)
    return document if is_enough(document) else None


def _fetch(url: str) -> Document:
    try:
        answer = transport.get(url)
        if not answer.is_good:
            raise BackendUnavailableError(f"{url} answered {answer.status}")
    except BackendUnavailableError:
        cache.set(_fetched_key(url), _FAILED, _PAUSE_AFTER_FAILURE)
        raise
    cache.set(_key(url), dict(answer.body), _KEPT)
    return answer.body


def _wait_for(url: str) -> Document:
    until = time.monotonic() + _LONGEST_WAIT
    while time.monotonic() < until:
        kept = cache.get(_key(url))
        if kept is not None:
            return dict(kept)
        time.sleep(0.05)
    raise BackendUnavailableError(f"{url} was not fetched")


def _key(url: str) -> str:
    return f"oidc:document:{url}"


def _fetched_key(url: str) -> str:
    return f"oidc:fetched:{url}"
