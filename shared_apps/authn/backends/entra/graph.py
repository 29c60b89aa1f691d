"""Microsoft Graph, at the address of the settings and at no other, whatever a token or an answer names."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote
from uuid import UUID

from shared_apps.authn.errors import BackendUnavailableError
from shared_apps.authn.oidc import transport

_PERSON = "id,userPrincipalName,mail,displayName,accountEnabled"
_PASSWORD = "lastPasswordChangeDateTime,passwordPolicies,userPrincipalName"  # noqa: S105 (fields)
_PAGE = 500
_BATCH = 20
"""As many requests as Graph takes in one."""


@dataclass(frozen=True)
class Graph:
    base: str
    token: str
    """Of the application itself; it may read users and groups."""

    def find_user(self, person_id: UUID) -> Mapping[str, Any] | None:
        return self._find(f"users/{person_id}?$select={_PERSON}")

    def find_password(self, person_id: UUID) -> Mapping[str, Any] | None:
        return self._find(f"users/{person_id}?$select={_PASSWORD}")

    def find_domain(self, name: str) -> Mapping[str, Any] | None:
        return self._find(f"domains/{quote(name, safe='')}")

    def groups_of(self, person_id: UUID) -> frozenset[str]:
        """All of them, nested ones too."""
        url = f"{self.base}/v1.0/users/{person_id}/getMemberObjects"
        answer = transport.post_json(url, _SECURITY_GROUPS, bearer=self.token)
        return _group_ids(_good(answer))

    def list_users(self) -> Iterator[tuple[Mapping[str, Any], frozenset[str]]]:
        """Everybody with their groups."""
        users = self._pages(f"{self.base}/v1.0/users?$select={_PERSON}&$top={_PAGE}")
        while batch := list(islice(users, _BATCH)):
            groups = self._groups_of_all(str(user["id"]) for user in batch)
            yield from ((user, groups[str(user["id"])]) for user in batch)

    def _pages(self, url: str) -> Iterator[Mapping[str, Any]]:
        visited: set[str] = set()
        while url:
            if url in visited or not transport.is_at(url, self.base):
                raise BackendUnavailableError("Graph's next page is none of its own")
            visited.add(url)
            page = _good(transport.get(url, bearer=self.token))
            yield from page.get("value", [])
            url = page.get("@odata.nextLink", "")

    def _groups_of_all(self, ids: Iterable[str]) -> dict[str, frozenset[str]]:
        requests = [
            {
                "id": person_id, "method": "POST", "url": f"/users/{person_id}/getMemberObjects",
                "body": _SECURITY_GROUPS, "headers": {"Content-Type": "application/json"},
            }
            for person_id in ids
        ]  # fmt: skip
        url = f"{self.base}/v1.0/$batch"
        answer = _good(transport.post_json(url, {"requests": requests}, bearer=self.token))
        found = {
            response["id"]: _group_ids(response["body"])
            for response in answer.get("responses", [])
            if response.get("status") == 200
        }
        if len(found) < len(requests):
            # Throttled in part. Somebody without groups is not somebody whose groups are not known.
            raise BackendUnavailableError("Graph did not tell all groups")
        return found

    def _find(self, path: str) -> Mapping[str, Any] | None:
        answer = transport.get(f"{self.base}/v1.0/{path}", bearer=self.token)
        return None if answer.status == 404 else _good(answer)


_SECURITY_GROUPS = {"securityEnabledOnly": True}


def _group_ids(body: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(str(group).lower() for group in body["value"])


def _good(answer: transport.Answer) -> Mapping[str, Any]:
    if not answer.is_good:
        raise BackendUnavailableError(f"Graph answered {answer.status}")
    return answer.body
