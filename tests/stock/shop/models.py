"""What a product on the stock parts has: a tenant, and rows that live in both kinds of schema."""

from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Customer(TenantMixin):
    auto_create_schema = False


class Address(DomainMixin):
    pass


class Marker(models.Model):
    text = models.CharField(max_length=50)
