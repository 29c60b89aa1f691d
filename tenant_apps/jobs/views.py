"""Jobs of one kind over HTTP. An app derives `JobCreateView` for its own and names the kind in its URLs."""

from typing import Any, ClassVar
from uuid import UUID

from django.core.files.storage import default_storage
from django.http import FileResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.core.rate_limits.rates import RateClass
from tenant_apps.jobs import selectors, services
from tenant_apps.jobs.errors import ResultMissingError
from tenant_apps.jobs.models import Job
from tenant_apps.jobs.serializers import JobResultsSerializer, JobSerializer

POLL_SECONDS = 2


class JobStatusView(APIView):
    kind: str = ""

    @extend_schema(responses=JobSerializer)
    def get(self, request: Request, job_id: UUID) -> Response:
        job = selectors.get_job(job_id=job_id, kind=self.kind)
        headers = {} if job.is_finished else {"Retry-After": str(POLL_SECONDS)}
        return Response(JobSerializer(job).data, headers=headers)


class JobResultsView(APIView):
    kind: str = ""
    results_serializer: ClassVar[type[JobResultsSerializer]] = JobResultsSerializer

    def get(self, request: Request, job_id: UUID) -> Response:
        job = selectors.get_finished_job(job_id=job_id, kind=self.kind)
        if job.result is None:
            raise ResultMissingError
        return Response(self.results_serializer(job).data)


class JobListView(GenericAPIView[Job]):
    kind: str = ""
    serializer_class = JobSerializer
    filter_backends = ()

    def get_queryset(self) -> Any:
        return selectors.list_jobs(kind=self.kind)

    @extend_schema(responses=JobSerializer(many=True))
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class JobDownloadView(APIView):
    kind: str = ""
    rate_class = RateClass.EXPORT

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    def get(self, request: Request, job_id: UUID) -> FileResponse:
        name = selectors.get_result_name(job_id=job_id, kind=self.kind)
        try:
            content = default_storage.open(name)
        except FileNotFoundError:  # deleted meanwhile
            raise ResultMissingError from None
        suffix = name.rpartition(".")[2]
        response = FileResponse(content, as_attachment=True, filename=f"{job_id}.{suffix}")
        response["Cache-Control"] = "private, no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response


class JobDeleteView(APIView):
    kind: str = ""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, job_id: UUID) -> Response:
        services.delete_job(job_id=job_id, kind=self.kind)
        return Response(status=204)


class JobCancelView(APIView):
    kind: str = ""

    @extend_schema(request=None, responses=JobSerializer)
    def post(self, request: Request, job_id: UUID) -> Response:
        job = services.cancel_job(job_id=job_id, kind=self.kind, at=timezone.now())
        return Response(JobSerializer(job).data)


def accepted(request: Request, job: Job, *, status_name: str) -> Response:
    """202: where to ask, and how soon. `status_name`: of the URL, within its version."""
    version = f"{request.version}:" if request.version else ""
    headers = {
        "Location": reverse(f"{version}{status_name}", kwargs={"job_id": job.id}),
        "Retry-After": str(POLL_SECONDS),
    }
    return Response(JobSerializer(job).data, status=202, headers=headers)
