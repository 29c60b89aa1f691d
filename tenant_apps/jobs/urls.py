"""The addresses of a feature whose work takes time. An app includes them for its kind of job."""

from typing import Any

from django.urls import URLPattern

from shared_apps.core.urls import endpoint
from tenant_apps.jobs import views


def processing_urls(
    *, feature: str, kind: str, name: str, create: Any, results: Any
) -> list[URLPattern]:
    """`<feature>/create/`, `status/<id>/`, `results/<id>/`, `list/`, `download-results/<id>/`, `delete/<id>/`,
    `cancel/<id>/`; `name` begins the name of each."""
    of_one = {
        "status": views.JobStatusView,
        "results": results,
        "download-results": views.JobDownloadView,
        "delete": views.JobDeleteView,
        "cancel": views.JobCancelView,
    }
    patterns = [
        *endpoint(f"{feature}/create/", create.as_view(), name=f"{name}-create"),
        *endpoint(f"{feature}/list/", views.JobListView.as_view(kind=kind), name=f"{name}-list"),
    ]
    for verb, view in of_one.items():
        made: Any = view
        patterns += endpoint(
            f"{feature}/{verb}/<uuid:job_id>/", made.as_view(kind=kind), name=f"{name}-{verb}"
        )
    return patterns
