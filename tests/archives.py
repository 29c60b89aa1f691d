"""Archives of tenants, taken apart and put together again, as somebody would who forges one."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Contents = dict[str, bytes]


def members(path: Path) -> Contents:
    with tarfile.open(path) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]  # files only


def rewrite(path: Path, contents: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in contents:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def plain(contents: Contents) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(tarfile.TarInfo(name), content) for name, content in contents.items()]


def vouched(contents: Contents, change: Callable[[dict[str, Any]], Any] | None = None) -> Contents:
    """With a manifest that has the sizes, checksums and numbers of these contents, then is changed."""
    others = {name: content for name, content in contents.items() if name != "manifest.json"}
    manifest = json.loads(contents["manifest.json"])
    manifest["members"] = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in others.items()
    }
    for table in manifest["tables"]:
        table["rows"] = others[f"tables/{table['name']}"].count(b"\n")
    manifest["people"] = others["people.jsonl"].count(b"\n")
    manifest["files"] = sum(name.startswith("files/") for name in others)
    if change is not None:
        change(manifest)
    return {**others, "manifest.json": json.dumps(manifest).encode()}


def header(name: str, kind: bytes, size: int) -> bytes:
    """A header by itself, whatever may follow it."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def pack(path: Path, *portions: bytes) -> Path:
    """What no tar program would write."""
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for portion in portions:
            packed.write(portion)
    return path
