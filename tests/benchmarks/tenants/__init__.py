"""Schemas of 40 tables from 60 migrations, made and migrated by us and by django-tenants."""
