#!/usr/bin/python
"""Files of secrets in a directory of their own: all of them by one task, and no others.

A task for each would be a connection for each, and a secret that is named no longer would stay.
"""

import os
import pwd
import stat

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
---
module: private_files
short_description: Keep a directory of files that one user alone may read
description:
  - Writes each file whole or not at all, and removes every file that is not named.
author: [Freehold]
options:
  directory:
    description: Where they are; made if it is not there.
    type: path
    required: true
  owner:
    description: Who alone may read them.
    type: str
    required: true
  files:
    description: Contents by name.
    type: dict
    required: true
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "owner": {"type": "str", "required": True},
            "files": {"type": "dict", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    directory: str = module.params["directory"]
    files: dict[str, str] = module.params["files"]
    for name in files:
        if not name.replace("_", "").isalnum():
            module.fail_json(msg=f"{name!r} is no name for a file of secrets")
    try:
        owner = pwd.getpwnam(module.params["owner"])
    except KeyError:
        if module.check_mode:
            module.exit_json(changed=True)
        module.fail_json(msg=f"there is no user {module.params['owner']}")
    changed = _make_directory(directory, owner, dry=module.check_mode)
    there = set(os.listdir(directory)) if os.path.isdir(directory) else set()
    for name in sorted(there - set(files)):
        changed.append(name)
        if not module.check_mode:
            os.unlink(os.path.join(directory, name))
    for name, content in sorted(files.items()):
        path = os.path.join(directory, name)
        if not _is_as_it_should(path, str(content), owner):
            changed.append(name)
            if not module.check_mode:
                _write(path, str(content), owner)
    module.exit_json(changed=bool(changed), names=changed)


def _make_directory(path: str, owner: pwd.struct_passwd, *, dry: bool) -> list[str]:
    if os.path.isdir(path):
        found = os.stat(path)
        if (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (owner.pw_uid, 0, 0o500):
            return []
    if not dry:
        os.makedirs(path, mode=0o700, exist_ok=True)
        os.chown(path, owner.pw_uid, 0)
        os.chmod(path, 0o500)
    return ["."]


def _is_as_it_should(path: str, content: str, owner: pwd.struct_passwd) -> bool:
    try:
        found = os.lstat(path)
        with open(path) as file:
            same = file.read() == content
    except OSError:
        return False
    right = (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (owner.pw_uid, 0, 0o400)
    return same and right and stat.S_ISREG(found.st_mode)


def _write(path: str, content: str, owner: pwd.struct_passwd) -> None:
    """By another name first, so that nobody reads half of it."""
    temporary = f"{path}.new"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fchown(file.fileno(), owner.pw_uid, 0)
        os.fsync(file.fileno())
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
