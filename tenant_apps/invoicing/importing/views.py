"""The import of invoices over HTTP; what every job has is in tenant_apps/jobs."""

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.core.rate_limits.rates import RateClass
from shared_apps.core.serializers import InputSerializer
from tenant_apps.invoicing.importing import job, reading
from tenant_apps.jobs import services as jobs
from tenant_apps.jobs.serializers import JobResultsSerializer, JobSerializer
from tenant_apps.jobs.views import JobResultsView, accepted

_FORM = 64 * 1024  # bytes around the file


class InvoiceImportInput(InputSerializer):
    file = serializers.FileField()


class ImportProblemSerializer(serializers.Serializer[Any]):
    row = serializers.IntegerField()
    column = serializers.CharField(allow_blank=True)
    problem = serializers.CharField()
    value = serializers.CharField(allow_blank=True)


class InvoiceImportResultSerializer(serializers.Serializer[Any]):
    rows = serializers.IntegerField()
    invoices = serializers.IntegerField()
    errors_count = serializers.IntegerField()
    errors = ImportProblemSerializer(many=True)  # type: ignore[assignment]  # a field, and no error of a serializer


class InvoiceImportResultsSerializer(JobResultsSerializer):
    result = InvoiceImportResultSerializer()  # type: ignore[assignment]  # what the JSON holds here


class InvoiceImportCreateView(APIView):
    parser_classes = (MultiPartParser,)
    rate_class = RateClass.INGEST

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # Before the parser writes it to the disk.
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.INVOICE_IMPORT_LARGEST + _FORM:
            raise RequestDataTooBig

    @extend_schema(
        request={"multipart/form-data": InvoiceImportInput}, responses={202: JobSerializer}
    )
    def post(self, request: Request) -> Response:
        sent = InvoiceImportInput(data=request.data)
        sent.is_valid(raise_exception=True)
        file, person = sent.validated_data["file"], request.user.pk
        assert person is not None  # the permission class lets nobody in who has not signed in
        made = jobs.create_job(
            kind=job.KIND,
            requested_by=person,
            upload=file,
            suffix=reading.sniff(file),
            at=timezone.now(),
        )
        return accepted(request, made, status_name="invoicing:invoice-import-status")


@extend_schema(responses=InvoiceImportResultsSerializer)
class InvoiceImportResultsView(JobResultsView):
    results_serializer = InvoiceImportResultsSerializer
