"""A process that sends what is due, to be killed: `python -m tests.sending`."""

import django

if __name__ == "__main__":
    django.setup()

    from django.utils import timezone

    from shared_apps.mail import delivery

    delivery.deliver_due(clock=timezone.now)
