from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fleet", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="SpareSchema",
            fields=[
                (
                    "schema_name",
                    models.CharField(max_length=63, primary_key=True, serialize=False),
                ),
                ("fingerprint", models.CharField(max_length=64)),
                ("adoption", models.TextField()),
                ("stamp", models.CharField(max_length=64)),
                ("problem", models.TextField(blank=True)),
                ("created_at", models.DateTimeField()),
            ],
        ),
    ]
