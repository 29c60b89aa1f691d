"""What a client is told of its limits, with every answer."""

from dataclasses import dataclass

from django.http.response import HttpResponseBase

from shared_apps.core.rate_limits.windows import Level, Window


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    window: Window


@dataclass(frozen=True, slots=True)
class Standing:
    rules: tuple[Rule, ...]
    levels: tuple[Level, ...]

    def write(self, response: HttpResponseBase) -> None:
        """RateLimit-Limit, -Remaining and -Reset are of the limit that has the least left."""
        rule, level = self.tightest()
        response["RateLimit-Limit"] = str(rule.window.most)
        response["RateLimit-Remaining"] = str(level.left)
        response["RateLimit-Reset"] = str(level.next_in)
        response["RateLimit"] = f'"{rule.name}";r={level.left};t={level.next_in}'
        response["RateLimit-Policy"] = ", ".join(
            f'"{each.name}";q={each.window.most};w={each.window.seconds}' for each in self.rules
        )

    def tightest(self) -> tuple[Rule, Level]:
        pairs = zip(self.rules, self.levels, strict=True)
        return min(pairs, key=lambda pair: (pair[1].left, -pair[1].next_in))
