"""Files of the tenants: shared_apps/tenants/files.py."""

from datetime import timedelta

from config.env import env

# Below it each tenant has a directory of its own. A process that lacks it says so when it needs it.
MEDIA_ROOT = env.text("FILES_ROOT", default="")
# Archives that operators ask for over the API; on the provisioner's host, nowhere else.
ARCHIVES_ROOT = env.text("ARCHIVES_ROOT", default="")
MEDIA_URL = "/files/"
# Where web and provisioner are users of their own, what one has made the other takes away, as their group.
_shared = env.boolean("FILES_SHARED_WITH_GROUP", default=False)
FILE_UPLOAD_PERMISSIONS = 0o660 if _shared else 0o640
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o770 if _shared else 0o750

STORAGES = {
    "default": {"BACKEND": "shared_apps.tenants.files.TenantFileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# How long the address of a file is good, unless whoever makes it says otherwise.
FILE_LINK_LIFETIME = timedelta(
    minutes=env.integer("FILE_LINK_MINUTES", default=15, low=1, high=7 * 24 * 60)
)
