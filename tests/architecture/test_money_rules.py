"""No line of ours rounds by a default or turns a float into money."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "shared_apps", "tenant_apps")
# `quantize` and friends round by the context unless told how.
_ROUNDING_METHODS = {"quantize", "to_integral_value", "to_integral_exact", "to_integral"}


def _sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def offences(source: str) -> list[str]:
    tree = ast.parse(source)
    is_money_code = any(_imports_money(node) for node in ast.walk(tree))
    return [
        f"line {node.lineno}: {offence}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for offence in _offences_of_call(node, is_money_code=is_money_code)
    ]


def _imports_money(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(alias.name in ("decimal", "shared_apps.core.money") for alias in names)
        case ast.ImportFrom(module=module, names=names):
            return module in ("decimal", "shared_apps.core.money") or (
                module == "shared_apps.core" and any(alias.name == "money" for alias in names)
            )
    return False


def _offences_of_call(call: ast.Call, *, is_money_code: bool) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    is_method = isinstance(call.func, ast.Attribute)
    keywords = {keyword.arg for keyword in call.keywords}
    if is_method and name in _ROUNDING_METHODS and "rounding" not in keywords:
        yield f"{name}() without rounding="
    if not is_method and name == "round":
        yield "round() rounds half to even"
    if is_money_code and not is_method and name == "float":
        yield "float() in code that handles money"
    if name == "from_float" or (name == "Decimal" and any(_is_float(arg) for arg in call.args)):
        yield "a Decimal made from a float"


def _is_float(node: ast.expr) -> bool:
    return any(
        (isinstance(part, ast.Constant) and isinstance(part.value, float))
        or (isinstance(part, ast.Call) and getattr(part.func, "id", "") == "float")
        for part in ast.walk(node)
    )


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_money_is_rounded_explicitly_and_never_a_float(path: Path) -> None:
    assert offences(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "x.quantize(y)",
        "x.quantize(y, context=z)",
        "x.to_integral_value()",
        "round(x, 2)",
        "from decimal import Decimal\nfloat(x)",
        "from shared_apps.core import money\nfloat(x)",
        "Decimal(10.5)",
        "decimal.Decimal(-10.5)",
        "Decimal(float(x))",
        "Decimal.from_float(x)",
    ],
)
def test_the_rule_sees_an_offence(source: str) -> None:
    assert len(offences(source)) >= 1


@pytest.mark.parametrize(
    "source",
    ["x.quantize(y, rounding=z)", "Decimal('10.5')", "Decimal(10)", "float(seconds)", "x.round()"],
)
def test_the_rule_leaves_exact_code_alone(source: str) -> None:
    assert offences(source) == []
