"""What a process of the product shows to Prometheus."""

from dataclasses import dataclass
from typing import Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

TOKEN = "a-token-of-the-tests-0123456789-abcdef"


@dataclass(frozen=True)
class Figures:
    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def at(cls, address: str) -> Self:
        answer = httpx.get(
            address, headers={"Host": "localhost", "Authorization": f"Bearer {TOKEN}"}
        )
        assert answer.status_code == 200, answer.text
        return cls.of(answer.text)

    @classmethod
    def of(cls, text: str) -> Self:
        return cls(
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        )

    def get(self, name: str, **labels: str) -> float | None:
        return self.values.get((name, frozenset(labels.items())))

    def total(self, name: str, **labels: str) -> float:
        """The sum over the labels that are not named."""
        wanted = set(labels.items())
        return sum(value for (n, has), value in self.values.items() if n == name and wanted <= has)

    def labels(self, name: str, label: str) -> set[str]:
        return {dict(has)[label] for n, has in self.values if n == name}
