"""The apps of the synthetic project, written at run time: 8 apps, 40 tables, 60 migrations."""

from pathlib import Path

APPS = tuple(f"bench_{letter}" for letter in "abcdefgh")
_MODELS = ("Alpha", "Beta", "Gamma", "Delta", "Epsilon")
_LAST = 7  # migrations of an app; the first four apps have one more: 60 in all

_CREATE = """migrations.CreateModel("{model}", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=100, unique=True)),
    ("code", models.SlugField()),
    ("amount", models.DecimalField(max_digits=12, decimal_places=2, default=0)),
    ("created_at", models.DateTimeField(auto_now_add=True)),{parent}
])"""
_PARENT = '\n    ("parent", models.ForeignKey("{app}.{model}", models.CASCADE)),'

# What a release brings: a column, an index, and data.
RELEASE = {
    "0101_column": 'operations = [migrations.AddField("alpha", "note", models.CharField(max_length=20, db_default=""))]',
    "0102_index": 'operations = [migrations.AddIndex("alpha", models.Index(fields=["note"], name="alpha_by_note"))]',
    "0103_data": """def fill(apps, schema_editor):
        model = apps.get_model("bench_a", "Alpha")
        model.objects.using(schema_editor.connection.alias).filter(note="").update(note="filled")
    operations = [migrations.RunPython(fill)]""",
}
# The same by hand.
RELEASE_SQL = (
    "ALTER TABLE bench_a_alpha ADD COLUMN note varchar(20) DEFAULT '' NOT NULL",
    "CREATE INDEX alpha_by_note ON bench_a_alpha (note)",
    "UPDATE bench_a_alpha SET note = 'filled' WHERE note = ''",
    *(
        f"INSERT INTO django_migrations (app, name, applied) VALUES ('bench_a', '{name}', now())"
        for name in RELEASE
    ),
)
UNDO_SQL = (
    "ALTER TABLE bench_a_alpha DROP COLUMN note",
    "DELETE FROM django_migrations WHERE app = 'bench_a' AND name > '0100'",
)


def write(directory: Path) -> None:
    """Packages of the apps, without the release."""
    for number, app in enumerate(APPS):
        folder = directory / app / "migrations"
        folder.mkdir(parents=True)
        (directory / app / "__init__.py").touch()
        (folder / "__init__.py").touch()
        for name, body in _history(app, _LAST + (number < 4)).items():
            _write(folder, app, name, body)
    customers = directory / "customers"
    customers.mkdir()
    (customers / "__init__.py").touch()
    (customers / "models.py").write_text(
        "from django_tenants.models import DomainMixin, TenantMixin\n\n"
        "class Client(TenantMixin):\n    auto_drop_schema = True\n\n"
        "class Domain(DomainMixin):\n    pass\n"
    )


def release(directory: Path) -> None:
    """Deploy the next version of the code."""
    for name, body in RELEASE.items():
        _write(directory / "bench_a" / "migrations", "bench_a", name, body)


def _history(app: str, number: int) -> dict[str, str]:
    creations = []
    for model in _MODELS:
        parent = _PARENT.format(app=app, model="Alpha") if model != "Alpha" else ""
        creations.append(_CREATE.format(model=model, parent=parent))
    found = {"0001_initial": f"operations = [{', '.join(creations)}]"}
    for step in range(2, number + 1):
        model = _MODELS[step % len(_MODELS)].lower()
        operation = (
            f'migrations.AddField("{model}", "extra_{step}", models.IntegerField(null=True))'
            if step % 2
            else f'migrations.AddIndex("{model}", models.Index(fields=["code", "created_at"], name="{app[-1]}_{model}_{step}"))'
        )
        found[f"{step:04}_step"] = f"operations = [{operation}]"
    return found


def _write(folder: Path, app: str, name: str, body: str) -> None:
    before = max((path.stem for path in folder.glob("0*.py")), default="")
    dependencies = f"[('{app}', '{before}')]" if before else "[]"
    (folder / f"{name}.py").write_text(
        "from django.db import migrations, models\n\n"
        f"class Migration(migrations.Migration):\n    dependencies = {dependencies}\n    {body}\n"
    )
