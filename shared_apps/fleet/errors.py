from shared_apps.core.errors import ConflictError, InvalidError


class TemplateError(ConflictError):
    """The text says which object of a tenant's schema, or which migration, and what to do."""

    code = "fleet.template"
    message = "A new tenant's schema cannot be made from a script."


class BreakingMigrationError(ConflictError):
    code = "fleet.breaking_migration"
    message = "A migration would break the version that is running."


class DatabaseAheadError(ConflictError):
    code = "fleet.database_ahead"
    message = "The database was migrated by newer code than this."


class SpareError(ConflictError):
    """The text says why."""

    code = "fleet.spare"
    message = "A spare schema cannot be made."


class SharedSchemaVersionError(ConflictError):
    code = "fleet.shared_schema_version"
    message = "The shared schema is not at this code's version."


class UnknownTenantError(InvalidError):
    code = "fleet.unknown_tenant"
    message = "There is no such tenant with a schema."


class ClusterError(ConflictError):
    code = "fleet.cluster"
    message = "This is not the Citus cluster that it should be."
