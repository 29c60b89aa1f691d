from django.db import migrations, models

_MODES = ["off", "slow", "sampled", "full"]


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0006_deletion"),
    ]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="query_log",
            field=models.CharField(
                blank=True, choices=[(mode, mode) for mode in _MODES], max_length=7, null=True
            ),
        ),
        migrations.AddConstraint(
            model_name="tenant",
            constraint=models.CheckConstraint(
                name="tenant_query_log_rule", condition=models.Q(query_log__in=_MODES)
            ),
        ),
    ]
