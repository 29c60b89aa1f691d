"""Finds the benchmarks: every module of `suite`."""

import pkgutil
from importlib import import_module

from tests.benchmarks import suite
from tests.benchmarks.benchmark import Benchmark


def names() -> list[str]:
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(suite.__path__))


def load(name: str) -> Benchmark:
    module = import_module(f"{suite.__name__}.{name.replace('-', '_')}")
    benchmark: Benchmark = module.BENCHMARK
    return benchmark
