import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('tenants', '0008_audit_backlog'),
    ]

    operations = [
        migrations.CreateModel(
            name='TenantMailServer',
            fields=[
                ('tenant', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='mail_server', serialize=False, to='tenants.tenant')),
                ('host', models.CharField(max_length=253)),
                ('port', models.PositiveIntegerField()),
                ('security', models.CharField(choices=[('tls', 'Tls'), ('starttls', 'Starttls')], max_length=8)),
                ('ca_certificate', models.TextField(blank=True)),
                ('sender', models.CharField(max_length=254)),
                ('user', models.CharField(blank=True, max_length=254)),
                ('password', models.BinaryField(default=bytes)),
                ('password_key', models.CharField(blank=True, editable=False, max_length=100)),
                ('changed_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('security__in', ['tls', 'starttls'])), name='mail_server_is_encrypted')],
            },
        ),
        migrations.CreateModel(
            name='OutgoingMail',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('line', models.UUIDField(editable=False)),
                ('kind', models.CharField(choices=[('password_reset', 'Password Reset'), ('password_changed', 'Password Changed'), ('registration', 'Registration'), ('registration_known', 'Registration Known')], max_length=40)),
                ('recipient', models.CharField(max_length=254)),
                ('subject', models.CharField(max_length=200)),
                ('body', models.TextField(blank=True, editable=False)),
                ('message_id', models.CharField(editable=False, max_length=200)),
                ('priority', models.PositiveSmallIntegerField(choices=[(0, 'High'), (5, 'Normal'), (9, 'Low')], default=5)),
                ('state', models.CharField(choices=[('PENDING', 'Pending'), ('PROCESSING', 'Processing'), ('SENT', 'Sent'), ('FAILED', 'Failed'), ('EXPIRED', 'Expired')], default='PENDING', max_length=10)),
                ('created_at', models.DateTimeField()),
                ('good_until', models.DateTimeField(null=True)),
                ('next_attempt_at', models.DateTimeField()),
                ('lease', models.UUIDField(editable=False, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('last_error', models.CharField(blank=True, max_length=300)),
                ('finished_at', models.DateTimeField(null=True)),
                ('tenant', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='mails', to='tenants.tenant')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state__in', ('PENDING', 'PROCESSING'))), fields=['line', 'priority', 'next_attempt_at', 'created_at'], name='mail_lines'), models.Index(fields=['finished_at'], name='mail_finished_at'), models.Index(fields=['recipient', 'created_at'], name='mail_to')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['PENDING', 'PROCESSING', 'SENT', 'FAILED', 'EXPIRED'])), name='mail_state_rule'), models.CheckConstraint(condition=models.Q(('state__in', ['PENDING', 'PROCESSING', 'FAILED']), ('body', ''), _connector='OR'), name='mail_text_goes_with_its_use')],
            },
        ),
    ]
