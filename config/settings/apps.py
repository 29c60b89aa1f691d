"""Which app lives where: one schema for everybody, or one schema per tenant; and what a request passes."""

SHARED_APPS = [
    "shared_apps.core",
    "shared_apps.audit",
    "shared_apps.audit.sealing",
    "shared_apps.tenants",
    "shared_apps.mail",
    "shared_apps.accounts",
    "shared_apps.authn",
    "shared_apps.directory_sync",
    "shared_apps.portfolio",
    "shared_apps.fleet",
    "shared_apps.onboarding",
    "shared_apps.operations",
    "django_tenants",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
]
TENANT_APPS = [
    # Its migrations make the outbox, which every schema has; it has no models.
    "shared_apps.audit",
    "tenant_apps.idempotency",
    "tenant_apps.jobs",
    "tenant_apps.invoicing",
]
INSTALLED_APPS = [*SHARED_APPS, *(app for app in TENANT_APPS if app not in SHARED_APPS)]

MIDDLEWARE = [
    "shared_apps.core.middleware.RequestContextMiddleware",
    "shared_apps.core.api.versioning.VersionMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "shared_apps.tenants.middleware.TenantMiddleware",
    "shared_apps.authn.rate_limiting.RateLimitMiddleware",
    "shared_apps.authn.middleware.ImpersonationMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
