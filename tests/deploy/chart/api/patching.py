"""JSON merge patches (RFC 7386) and the strategic ones of Kubernetes, as far as helm sends them."""

from typing import Any

# By the list's name, what tells its entries apart. Others are replaced as a whole.
_KEYS = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name",
    "imagePullSecrets": "name", "volumeMounts": "mountPath", "topologySpreadConstraints": "topologyKey",
}  # fmt: skip
_DIRECTIVES = ("$patch", "$retainKeys")


def merge(target: Any, patch: Any, *, strategic: bool) -> Any:
    if not isinstance(patch, dict):
        return patch
    if strategic and patch.get("$patch") == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    merged = dict(target) if isinstance(target, dict) else {}
    if strategic and "$retainKeys" in patch:
        merged = {name: value for name, value in merged.items() if name in patch["$retainKeys"]}
    for name, value in patch.items():
        if strategic and (name in _DIRECTIVES or name.startswith("$setElementOrder/")):
            continue
        if strategic and name.startswith("$deleteFromPrimitiveList/"):
            of = name.partition("/")[2]
            merged[of] = [entry for entry in merged.get(of, []) if entry not in value]
        elif value is None:
            merged.pop(name, None)
        elif strategic and isinstance(value, list) and name in _KEYS:
            order = patch.get(f"$setElementOrder/{name}")
            merged[name] = _merge_list(merged.get(name) or [], value, key=_KEYS[name], order=order)
        else:
            merged[name] = merge(merged.get(name), value, strategic=strategic)
    return merged


def _merge_list(target: list[Any], patch: list[Any], *, key: str, order: Any) -> list[Any]:
    entries = {entry[key]: entry for entry in target}
    for entry in patch:
        if entry.get("$patch") == "delete":
            entries.pop(entry[key], None)
        else:
            entries[entry[key]] = merge(entries.get(entry[key]), entry, strategic=True)
    if order is not None:
        places = {entry[key]: place for place, entry in enumerate(order)}
        return sorted(entries.values(), key=lambda entry: places.get(entry[key], len(places)))
    return list(entries.values())
