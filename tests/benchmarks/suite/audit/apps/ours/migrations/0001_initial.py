from django.db import migrations, models


def _columns():
    return [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=100, db_index=True)),
        ("code", models.CharField(max_length=32)),
        ("amount", models.DecimalField(max_digits=12, decimal_places=2)),
        ("quantity", models.IntegerField(default=0)),
        ("status", models.IntegerField(default=0, db_index=True)),
        ("note", models.CharField(max_length=200, default="")),
        ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
    ]


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Audited", _columns(), options={"abstract": False}),
        migrations.CreateModel("Unaudited", _columns(), options={"abstract": False}),
    ]
