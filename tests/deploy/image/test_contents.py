"""What is in the image, and what is not."""

import json
import re

from scripts.stack.paths import ROOT
from tests.deploy.image.engine import docker

_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|PRIVATE|_KEY", re.IGNORECASE)


def _run(image: str, script: str) -> list[str]:
    """In a container whose filesystem can be written to, as its own user."""
    return docker("run", "--rm", "--entrypoint", "sh", image, "-c", script).splitlines()


def test_it_says_what_it_is(image: str) -> None:
    config = json.loads(docker("image", "inspect", image))[0]["Config"]
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None

    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}

    assert (labels["title"], labels["version"]) == ("freehold", version[1])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    assert (config["User"], config["StopSignal"]) == ("10001:10001", "SIGTERM")
    assert (config["Entrypoint"], config["Cmd"]) == (["/entrypoint"], ["/start"])
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert list(config["ExposedPorts"]) == ["5000/tcp"]


def test_it_has_no_compiler_and_no_package_manager_of_python(image: str) -> None:
    tools = "gcc g++ cc c++ ld as make cmake cargo git curl wget"

    assert _run(image, f"for tool in {tools}; do command -v $tool; done; true") == []
    assert _run(image, "ls /opt/venv/bin | grep -E '^(pip|easy_install|uv)'; true") == []
    assert (
        _run(
            image,
            "find /app /opt /root /tmp /var -path '*cache/pip*' -o -name '*.whl' 2>/dev/null; true",
        )
        == []
    )


def test_its_user_can_change_nothing_but_what_is_meant_for_that(image: str) -> None:
    found = _run(
        image,
        "find / -xdev -writable ! -type l ! -path '/proc/*' ! -path '/dev/*' ! -path '/sys/*' 2>/dev/null; true",
    )

    assert sorted(set(found)) == sorted(
        ["/run/lock", "/run/secrets/freehold", "/tmp", "/var/lib/freehold", "/var/tmp"]
    )


def test_it_runs_nothing_as_somebody_else(image: str) -> None:
    """Programs that change the user would be of use to whoever breaks in; no-new-privileges disarms them."""
    ours = _run(image, "find /app /opt/venv /usr/local/bin -perm /6000 2>/dev/null; true")

    assert ours == []


def test_no_secret_and_nothing_of_the_clone_is_in_it(image: str) -> None:
    config = json.loads(docker("image", "inspect", image))[0]["Config"]
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)

    assert [name for name in config["Env"] if _SECRET.search(name.partition("=")[0])] == []
    assert [
        line for line in history.splitlines() if re.search(r"(PASSWORD|SECRET|TOKEN)=", line)
    ] == []
    assert sorted(_run(image, "ls -A /app")) == sorted(
        [
            "__pycache__",
            "config",
            "image",
            "manage.py",
            "pyproject.toml",
            "shared_apps",
            "tenant_apps",
        ]
    )
    assert (
        _run(
            image, "find / -xdev \\( -name .git -o -name .env -o -name .local \\) 2>/dev/null; true"
        )
        == []
    )


def test_all_of_it_is_compiled(image: str) -> None:
    """On a filesystem that is read only it would be compiled at each start, and thrown away."""
    script = "find /app /opt/venv/lib -name '*.py' ! -path '*/__pycache__/*' | wc -l; find /app /opt/venv/lib -name '*.pyc' | wc -l"
    sources, compiled = map(int, _run(image, script))

    # A few files of packages are templates of code, for others to fill in.
    assert sources > 3000
    assert sources - compiled < 20


def test_the_clients_of_postgresql_are_there(image: str) -> None:
    for program in ("pg_dump", "pg_restore", "psql"):
        assert _run(image, f"{program} --version")[0].startswith(f"{program} (PostgreSQL) ")
