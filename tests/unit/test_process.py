import pytest

from config.process import process_kind


@pytest.mark.parametrize(
    ("argv", "kind"),
    [
        (["/venv/bin/gunicorn", "config.asgi:application"], "web"),
        (["/venv/lib/gunicorn/__main__.py", "config.asgi:application"], "web"),
        (["/venv/bin/celery", "-A", "config.celery", "worker", "-l", "INFO"], "worker"),
        (["/venv/lib/celery/__main__.py", "-A", "config.celery", "beat"], "beat"),
        (["manage.py", "migrate"], "migrate"),
        (["./manage.py"], "manage"),
        (["/venv/bin/pytest", "-q"], "pytest"),
        ([""], "python"),
    ],
)
def test_a_process_is_named_after_its_command(argv: list[str], kind: str) -> None:
    assert process_kind(argv) == kind
