"""Oracle Internet Directory, emulated: slapd with Oracle's schema and a responder that gives its texts.

It proves that we parse what Oracle documents (`:9000:` and the like); how Oracle's own server behaves it
does not prove.
"""

import base64
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.directories.slapd import GRACE, HISTORY, LOCKOUT, MAX_AGE, MIN_LENGTH, Member, Slapd

_NAMES = (
    "orclguid", "orclisenabled", "orclactivestartdate", "orclactiveenddate", "pwdchangedtime",
    "pwdaccountlockedtime", "pwdreset", "pwdgraceusetime", "pwdmaxage", "pwdexpirewarning", "pwdlockoutduration",
    "pwdminlength", "pwdinhistory", "pwdgraceloginlimit",
)  # fmt: skip
# Under numbers of our own: some of the names are ppolicy's elsewhere.
_ATTRIBUTES = tuple((f"1.3.6.1.4.1.99999.1.{n}", name) for n, name in enumerate(_NAMES))
_EXPIRED = "Password Policy Error :9000: GSLUSERACCTEXPIRED_EXCP :Your Password has expired."
_LOCKED = "Password Policy Error :9001: GSLACCTLOCKED_EXCP :Your account is locked."
_GRACE = "Password Policy Warning :9008: GSLGRACELOGIN_EXCP :You have grace logins left."
_TOO_SHORT = "Password Policy Error :9003: GSLPWDMINLENGTH_EXCP :Your Password must be longer."
_IN_HISTORY = "Password Policy Error :9006: GSLPWDINHISTORY_EXCP :Your Password was used before."
_DISABLED = "Password Policy Error :9050: GSLUSERACCTDISABLED_EXCP :Your account is disabled."


class OidEmulation(Slapd):
    kind = "oracle_oid"
    group_class, member_attribute = "groupOfUniqueNames", "uniqueMember"

    def __init__(
        self, directory: Path, *, organisation: str = "acme", authority: Any = None
    ) -> None:
        super().__init__(directory, organisation=organisation, authority=authority)
        self._responder: _Responder | None = None

    def external_id(self, uid: str, unit: str = "people") -> str:
        return super().external_id(uid, unit).replace("-", "")

    def prepare(self) -> None:
        super().prepare()
        self._write(self.directory.path / "orcl.schema", _schema())
        path = self.directory.path / "responder"
        path.unlink(missing_ok=True)
        self._responder = _Responder(path, self.answer)
        path.chmod(0o777)  # slapd is another user
        threading.Thread(target=self._responder.serve_forever, args=(0.05,), daemon=True).start()

    def after_stop(self) -> None:
        if self._responder is not None:
            self._responder.shutdown()
            self._responder.server_close()
            self._responder = None

    def settings(self) -> str:
        place = self.directory.path
        plain = "\n".join(
            line
            for line in super().settings().splitlines()
            if "ppolicy" not in line and "memberof" not in line
        )
        plain = plain.replace("modulepath", f"include {place}/orcl.schema\nmodulepath", 1)
        plain = plain.replace("moduleload back_mdb", "moduleload back_mdb\nmoduleload back_sock")
        # The overlay asks for rights to the entry itself, which slapd alone does not.
        plain = plain.replace("read by * none", "read by self write by * auth")
        return f"{plain}\noverlay sock\nsocketpath {place}/responder\nsockops bind modify\nsockdnpat ^uid=\n"

    def policies(self) -> str:
        return f"""dn: {self.policy_dn}
objectClass: pwdpolicy
cn: default
pwdmaxage: {int(MAX_AGE.total_seconds())}
pwdexpirewarning: 1209600
pwdlockoutduration: {int(LOCKOUT.total_seconds())}
pwdminlength: {MIN_LENGTH}
pwdinhistory: {HISTORY}
pwdgraceloginlimit: {GRACE}
"""

    def details(self, member: Member) -> list[str]:
        told = member.operational
        state = {
            "pwdchangedtime": told.get("pwdChangedTime", ""),
            "pwdaccountlockedtime": told.get("pwdAccountLockedTime", ""),
            "pwdreset": "1" if "pwdReset" in told else "",
        }
        if member.uid == "disabled":
            state |= {"pwdaccountlockedtime": "", "orclisenabled": "DISABLED"}
        return [
            "objectClass: orclUserV2",
            f"orclguid: {self.external_id(member.uid, member.unit).upper()}",
            # As it is, so that a value can be deleted by naming it.
            f"userPassword: {self.password(member.uid)}",
            *(f"{name}: {value}" for name, value in state.items() if value),
        ]

    def answer(self, request: dict[str, list[str]], kind: str) -> str:
        """What Oracle's server would say to it; CONTINUE where slapd itself says it."""
        uid = request["dn"][0].split(",")[0].removeprefix("uid=")
        if kind == "MODIFY":
            *_, new = ("", *request.get("userPassword", ()))
            if new and len(new) < MIN_LENGTH:
                return _result(19, _TOO_SHORT)
            return _result(19, _IN_HISTORY) if new == self.password(uid) else "CONTINUE\n"
        if uid == "locked":
            return _result(49, _LOCKED)
        if uid not in _STATES or request["cred"] != [self.password(uid)]:
            return "CONTINUE\n"
        return _result(*_STATES[uid])


_STATES = {"expired": (49, _EXPIRED), "grace": (0, _GRACE), "disabled": (49, _DISABLED)}


class _Responder(socketserver.ThreadingUnixStreamServer):
    """What slapd asks before it answers a bind or a modification (slapd-sock(5))."""

    daemon_threads = True

    def __init__(self, path: Path, answer: Callable[[dict[str, list[str]], str], str]) -> None:
        super().__init__(str(path), _Request)
        self.answer = answer


class _Request(socketserver.StreamRequestHandler):
    server: _Responder

    def handle(self) -> None:
        kind = self.rfile.readline().decode().strip()
        told: dict[str, list[str]] = {}
        while line := self.rfile.readline().decode().rstrip("\n"):
            name, _, value = line.partition(":")
            if value.startswith(":"):
                value = base64.b64decode(value[1:]).decode()
            told.setdefault(name, []).append(value.removeprefix(" "))
        self.wfile.write(self.server.answer(told, kind).encode())


def _result(code: int, text: str) -> str:
    return f"RESULT\ncode: {code}\ninfo: {text}\n"


def _schema() -> str:
    attributes = "\n".join(
        f"attributetype ( {oid} NAME '{name}' EQUALITY caseIgnoreMatch"
        " SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
        for oid, name in _ATTRIBUTES
    )
    names = " $ ".join(name for _, name in _ATTRIBUTES)
    return f"""{attributes}
objectclass ( 2.16.840.1.113894.1.2.52 NAME 'orclUserV2' SUP top AUXILIARY MAY ( {names} ) )
objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'pwdpolicy' SUP top STRUCTURAL MUST cn MAY ( {names} ) )
"""
