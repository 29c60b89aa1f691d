"""What is kept under which name, and which tables it is read from."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entity:
    name: str
    reads: frozenset[str]
    """Labels of models, `invoicing.Invoice`: a change of any of their rows makes what is kept old."""
    is_restricted: bool = False
    """Never kept: only for the eyes of whoever asks."""


_entities: dict[str, Entity] = {}
_by_model: dict[str, tuple[Entity, ...]] = {}


def declare(name: str, *, reads: Iterable[str], is_restricted: bool = False) -> Entity:
    """At import, in a module that every process imports that writes: the app's `models.py` or `selectors.py`.

    Raises:
        ValueError: another one has this name, or it reads nothing.
    """
    entity = Entity(name, frozenset(label.lower() for label in reads), is_restricted)
    if not entity.reads and not is_restricted:
        raise ValueError(f"{name} reads no model, so nothing would ever make it old")
    if _entities.setdefault(name, entity) != entity:
        raise ValueError(f"there is another entity {name}")
    if not is_restricted:
        for label in entity.reads:
            known = _by_model.get(label, ())
            _by_model[label] = known if entity in known else (*known, entity)
    return entity


def read_from(label: str) -> tuple[Entity, ...]:
    """Those that a change of this model's rows makes old; `label` in lower case, as `_meta.label_lower`."""
    return _by_model.get(label, ())


def list_entities() -> list[Entity]:
    return sorted(_entities.values(), key=lambda entity: entity.name)
