"""Tenants' schemas as PostgreSQL knows them: compared with each other, and written as a script."""
