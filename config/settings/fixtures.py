"""Rows that an installation, and each tenant, is given once (shared_apps/onboarding/fixtures.py)."""

from pathlib import Path

from config.env import env

FIXTURES_ROOT = Path(
    env.text("FIXTURES_ROOT", default=str(Path(__file__).resolve().parents[2] / "fixtures"))
)
