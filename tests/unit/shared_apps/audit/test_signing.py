"""The examples that AWS publishes for Signature Version 4 of S3 (API reference, sig-v4-header-based-auth)."""

from datetime import UTC, datetime

import pytest

from shared_apps.audit.anchors.places.s3.signing import Credentials, signed

CREDENTIALS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


@pytest.mark.parametrize(
    ("method", "path", "headers", "query", "body", "signature"),
    [
        ("GET", "/test.txt", {"Range": "bytes=0-9"}, {}, b"",
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("PUT", "/test%24file.text",
         {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}, {},
         b"Welcome to Amazon S3.", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        ("GET", "/", {}, {"lifecycle": ""}, b"",
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("GET", "/", {}, {"prefix": "J", "max-keys": "2"}, b"",
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
    ids=["get", "put", "lifecycle", "list"],
)  # fmt: skip
def test_a_published_example_has_its_published_signature(
    method: str,
    path: str,
    headers: dict[str, str],
    query: dict[str, str],
    body: bytes,
    signature: str,
) -> None:
    sent = signed(
        {"host": "examplebucket.s3.amazonaws.com", **headers},
        credentials=CREDENTIALS, region="us-east-1", method=method, path=path, query=query, body=body,
        at=datetime(2013, 5, 24, tzinfo=UTC),
    )  # fmt: skip

    assert sent["authorization"].endswith(f",Signature={signature}")


def test_a_key_that_is_shown_has_no_secret() -> None:
    assert "wJalr" not in repr(CREDENTIALS)
