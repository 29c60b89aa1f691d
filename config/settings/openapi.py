"""The OpenAPI document; where it is and who may read it: docs/openapi.md."""

from config.env import env

# Whether the document and its pages ask for a sign-in. They hold what the code says, and no tenant's data.
API_DOCS_NEED_SIGN_IN = env.boolean("API_DOCS_NEED_SIGN_IN", default=False)

SPECTACULAR_SETTINGS = {
    "TITLE": "Freehold",
    "DESCRIPTION": (
        "What one host answers. Every address also works without its last slash, and with `HEAD` and "
        "`OPTIONS` where it has `GET`. Amounts are strings, never JSON numbers. Errors are problem "
        "bodies (RFC 9457)."
    ),
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": r"/api/v[0-9]+",
    # A field that a result always has is there whether or not it can be written.
    "COMPONENT_NO_READ_ONLY_REQUIRED": False,
    "PREPROCESSING_HOOKS": ["shared_apps.core.openapi.hooks.leave_out"],
    "POSTPROCESSING_HOOKS": [
        "shared_apps.core.openapi.hooks.name_enums",
        "shared_apps.core.openapi.hooks.complete",
    ],
    "PATH_CONVERTER_OVERRIDES": {"slug": {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"}},
    "GET_LIB_DOC_EXCLUDES": "shared_apps.core.openapi.schema.undescribed_bases",
    "ENABLE_DJANGO_DEPLOY_CHECK": False,  # `scripts/check` has a check of its own, of every document
    "SORT_OPERATION_PARAMETERS": False,
    # Component name → where its values are.
    "ENUM_NAME_OVERRIDES": {
        "DirectorySyncState": "shared_apps.directory_sync.choices.State",
        "DirectorySyncKind": "shared_apps.directory_sync.choices.Kind",
        "JobStatus": "tenant_apps.jobs.choices.JobState",
        "JobPhase": "tenant_apps.jobs.choices.JobPhase",
        "InvoiceKind": "tenant_apps.invoicing.choices.InvoiceKind",
        "InvoiceStatus": "tenant_apps.invoicing.choices.InvoiceStatus",
        "VatRounding": "tenant_apps.invoicing.choices.VatRounding",
        "Permission": "shared_apps.accounts.choices.Permission",
        "RunAction": "shared_apps.onboarding.serializers.RUN_ACTIONS",
        "RunState": "shared_apps.onboarding.serializers.RUN_STATES",
        "RunStepName": "shared_apps.onboarding.choices.Step",
        "RunStepState": "shared_apps.onboarding.serializers.STEP_STATES",
        "TenantState": "shared_apps.onboarding.serializers.TENANT_STATES",
        "AuditOperation": "shared_apps.audit.serializers.OPERATIONS",
    },
}
