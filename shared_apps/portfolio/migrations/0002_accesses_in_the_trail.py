from django.db import migrations


class Migration(migrations.Migration):
    """Accesses are entries of the audit trail, which has had a copy of each row of this table."""

    # No release has used it: 0.1.0 is the first.
    contracts = True

    dependencies = [
        ("portfolio", "0001_initial"),
    ]

    operations = [
        migrations.DeleteModel(name="Access"),
    ]
