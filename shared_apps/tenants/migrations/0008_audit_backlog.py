from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0007_query_log")]

    operations = [
        *(
            migrations.AddField(
                model_name="tenant",
                name=name,
                field=models.PositiveIntegerField(blank=True, null=True),
            )
            for name in ("audit_backlog_rows", "audit_backlog_seconds")
        ),
        migrations.AddConstraint(
            model_name="tenant",
            constraint=models.CheckConstraint(
                name="tenant_audit_backlog_rule",
                condition=models.Q(audit_backlog_rows__gte=1, audit_backlog_seconds__gte=1),
            ),
        ),
    ]
