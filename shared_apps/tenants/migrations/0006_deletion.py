from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0005_declared"),
    ]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="delete_after",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
