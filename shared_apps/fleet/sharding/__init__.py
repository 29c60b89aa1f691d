"""Tenants' schemas on several nodes, by Citus' schema-based sharding (docs/scaling-citus.md)."""
