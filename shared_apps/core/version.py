"""Which build answers."""

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


def product_version() -> str:
    """The version in pyproject.toml: the product is run from its tree, not installed as a package."""
    text = (Path(settings.BASE_DIR) / "pyproject.toml").read_text()
    found = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
    return found.group(1) if found else "unknown"


class VersionSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    environment = serializers.CharField()
    commit = serializers.CharField(allow_null=True)


class VersionInfoView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(responses=VersionSerializer)
    def get(self, request: Request) -> Response:
        return Response(
            {
                "version": product_version(),
                "environment": settings.ENVIRONMENT_NAME,
                "commit": settings.COMMIT or None,
            }
        )
