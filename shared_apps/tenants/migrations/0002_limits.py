from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        *(
            migrations.AddField(
                model_name="tenant",
                name=name,
                field=models.PositiveIntegerField(blank=True, null=True),
            )
            for name in (
                "statement_timeout_ms",
                "idle_in_transaction_timeout_ms",
                "connection_limit",
            )
        ),
        migrations.AddConstraint(
            model_name="tenant",
            constraint=models.CheckConstraint(
                name="tenant_limits_rule",
                condition=models.Q(
                    statement_timeout_ms__gte=1,
                    idle_in_transaction_timeout_ms__gte=1,
                    connection_limit__gte=1,
                ),
            ),
        ),
    ]
