"""Stand for a tenant's schema and role in scripts; neither needs quotes."""

SCHEMA = "t__template"
ROLE = "template_role__"
