"""An object store that speaks S3, in a process of its own: TLS, signatures, conditions and object lock are its."""

import os
import ssl
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import trustme
from botocore.config import Config

from scripts.stack.ports import free_port
from scripts.stack.process import spawn
from tests.waiting import wait_until

BUCKET = "anchors"
LOCKED = "locked-anchors"
REGION = "eu-central-1"


@dataclass(frozen=True)
class ObjectStore:
    """Two buckets, of which one has object lock, and the key to them."""

    endpoint: str
    authorities: Path
    key_id: str
    secret: str

    def client(self, service: str = "s3") -> Any:
        """Somebody who is not us: tampers, and sees what we did."""
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=REGION, verify=str(self.authorities),
            aws_access_key_id=self.key_id, aws_secret_access_key=self.secret,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
        )  # fmt: skip

    def listed(self, bucket: str = BUCKET) -> list[str]:
        listed = self.client().list_objects_v2(Bucket=bucket)
        return [found["Key"] for found in listed.get("Contents", [])]

    def read(self, key: str, bucket: str = BUCKET) -> str:
        return str(self.client().get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    def empty(self) -> None:
        client = self.client()
        for key in self.listed():
            client.delete_object(Bucket=BUCKET, Key=key)


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    with tempfile.TemporaryDirectory() as directory:
        ca, port, place = trustme.CA(), free_port(), Path(directory)
        ca.cert_pem.write_to_path(str(place / "authority.pem"))
        issued = ca.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(str(place / "chain.pem"))
        issued.private_key_pem.write_to_path(str(place / "key.pem"))
        argv = [
            "-H",
            "127.0.0.1",
            "-p",
            str(port),
            "-c",
            str(place / "chain.pem"),
            "-k",
            str(place / "key.pem"),
        ]
        with open(place / "log", "wb") as log:
            process = spawn(
                [sys.executable, "-m", "moto.server", *argv], env=dict(os.environ), stdout=log
            )
            try:
                setup = ObjectStore(
                    f"https://localhost:{port}", place / "authority.pem", "setup", "setup"
                )
                wait_until(lambda: _answers(setup), "the object store answers", timeout=60)
                yield _prepared(setup)
            finally:
                process.kill()
                process.wait()


def _prepared(store: ObjectStore) -> ObjectStore:
    place = {"LocationConstraint": REGION}
    store.client().create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    store.client().create_bucket(
        Bucket=LOCKED, CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True
    )
    iam = store.client("iam")
    iam.create_user(UserName="freehold")
    allowed = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    )
    iam.put_user_policy(UserName="freehold", PolicyName="all", PolicyDocument=allowed)
    key = iam.create_access_key(UserName="freehold")["AccessKey"]
    # From here on it believes nobody without a signature.
    _ask(store, "/moto-api/reset-auth", b"0")
    return ObjectStore(
        store.endpoint, store.authorities, key["AccessKeyId"], key["SecretAccessKey"]
    )


def _answers(store: ObjectStore) -> bool:
    try:
        _ask(store, "/moto-api/", None)
    except OSError:
        return False
    return True


def _ask(store: ObjectStore, path: str, body: bytes | None) -> None:
    context = ssl.create_default_context(cafile=str(store.authorities))
    request = urllib.request.Request(store.endpoint + path, body, {"Content-Type": "text/plain"})
    urllib.request.urlopen(request, timeout=10, context=context).close()
