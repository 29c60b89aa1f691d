import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("authn", "0003_impersonation")]

    operations = [
        migrations.CreateModel(
            name="BrowserCookie",
            fields=[
                (
                    "hash",
                    models.CharField(
                        editable=False, max_length=64, primary_key=True, serialize=False
                    ),
                ),
                (
                    "session",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="browser_cookie",
                        to="authn.session",
                    ),
                ),
            ],
        ),
    ]
