"""What the probes found."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing of a tenant that was had, seen or changed where it must not be."""

    probe: str
    subject: str
    """What was asked: `GET /api/v1/invoices/<id>/`, `table t_b.invoicing_vendor`."""
    problem: str


@dataclass
class Record:
    """One probe's notes. A probe that has checked nothing has proven nothing, and fails."""

    probe: str
    checks: int = 0
    sightings: int = 0
    """How often a tenant's own marker was seen: a probe that sees nothing at all is blind."""
    leaks: list[Leak] = field(default_factory=list)

    def leak(self, subject: str, problem: str) -> None:
        self.leaks.append(Leak(self.probe, subject, problem))

    def expect(self, good: bool, subject: str, problem: str) -> None:
        self.checks += 1
        if not good:
            self.leak(subject, problem)


@dataclass
class Report:
    records: list[Record] = field(default_factory=list)

    @property
    def leaks(self) -> list[Leak]:
        return [leak for record in self.records for leak in record.leaks]

    @property
    def is_tight(self) -> bool:
        return bool(self.records) and not self.leaks

    def as_dict(self) -> dict[str, Any]:
        return {
            "tight": self.is_tight,
            "probes": [
                {
                    "probe": record.probe,
                    "checks": record.checks,
                    "sightings": record.sightings,
                    "leaks": [asdict(leak) for leak in record.leaks],
                }
                for record in self.records
            ],
        }
