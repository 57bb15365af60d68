"""Where recordings go. Upstream names: pkg/config/storage.go of egress v1.14.1 and livekit/storage's config.go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, option
from livekit_metal.core.types.text import Url, Word


@dataclass(frozen=True, slots=True, kw_only=True)
class S3(Checked):
    """S3, or what speaks its language; the secret key is the password ``egress-s3`` of the secrets."""

    bucket: Word = option("", "name of the bucket; it must exist")
    region: Word = option("us-east-1", "region of the bucket")
    endpoint: Url = option("", "URL of a store that is not AWS, as https://s3.example.com")
    force_path_style: bool = option(
        False, "bucket in the path of the URL, not in its host: what most stores but AWS need"
    )
    access_key: Word = option("", "access key; empty: the credentials of the machine (an instance profile)")

    def config(self, secret: str) -> dict[str, Any]:
        config: dict[str, Any] = {
            "bucket": self.bucket,
            "region": self.region,
            "force_path_style": self.force_path_style,
            # Without these it tries a hundred times (its SDK's 0 is no limit) before the backup gets the file.
            "max_retries": 5,
            "max_retry_delay": "5s",
            "min_retry_delay": "100ms",
        }
        if self.endpoint:
            config["endpoint"] = self.endpoint
        return config | ({"access_key": self.access_key, "secret": secret} if self.access_key else {})

    def rclone(self, secret: str) -> dict[str, str]:
        words = {
            "type": "s3",
            "provider": "Other" if self.endpoint else "AWS",
            "region": self.region,
            "endpoint": self.endpoint,
            "force_path_style": str(self.force_path_style).lower(),
            "no_check_bucket": "true",  # it would make one that is missing
        }
        if not self.access_key:
            return words | {"env_auth": "true"}
        return words | {"access_key_id": self.access_key, "secret_access_key": secret}

    def problems(self, path: str) -> Iterator[Problem]:
        yield from _filled(path, "bucket", self.bucket)
        url = urlsplit(self.endpoint)
        if self.endpoint and (url.scheme not in ("http", "https") or not url.netloc or url.path.strip("/")):
            remedy = "write scheme, host and port: https://s3.example.com; the bucket is a setting of its own"
            yield Problem(f"{path}.endpoint", f"is {self.endpoint!r}", remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Azure(Checked):
    """Azure Blob Storage; the account key is the password ``egress-azure`` of the secrets."""

    account_name: Word = option("", "storage account")
    container_name: Word = option("", "container in it; it must exist")

    def config(self, secret: str) -> dict[str, Any]:
        return {"account_name": self.account_name, "account_key": secret, "container_name": self.container_name}

    def rclone(self, secret: str) -> dict[str, str]:
        return {"type": "azureblob", "account": self.account_name, "key": secret, "no_check_container": "true"}

    def problems(self, path: str) -> Iterator[Problem]:
        yield from _filled(path, "account_name", self.account_name)
        yield from _filled(path, "container_name", self.container_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class GCP(Checked):
    """Google Cloud Storage; the service account's JSON, in one line, is the password ``egress-gcp`` of the secrets."""

    bucket: Word = option("", "name of the bucket; it must exist")

    def config(self, secret: str) -> dict[str, Any]:
        return {"bucket": self.bucket, "credentials_json": secret}

    def rclone(self, secret: str) -> dict[str, str]:
        words = {"type": "google cloud storage", "service_account_credentials": secret, "no_check_bucket": "true"}
        return words | {"bucket_policy_only": "true"}  # the bucket says who may read, not each object

    def problems(self, path: str) -> Iterator[Problem]:
        yield from _filled(path, "bucket", self.bucket)


@dataclass(frozen=True, slots=True, kw_only=True)
class AliOSS(Checked):
    """Alibaba's OSS; the secret key is the password ``egress-alioss`` of the secrets."""

    bucket: Word = option("", "name of the bucket; it must exist")
    endpoint: Word = option("", "endpoint of its region, as oss-eu-central-1.aliyuncs.com")
    access_key: Word = option("", "access key")

    def config(self, secret: str) -> dict[str, Any]:
        return {"bucket": self.bucket, "endpoint": self.endpoint, "access_key": self.access_key, "secret": secret}

    def rclone(self, secret: str) -> dict[str, str]:
        words = {"type": "s3", "provider": "Alibaba", "endpoint": self.endpoint, "no_check_bucket": "true"}
        return words | {"access_key_id": self.access_key, "secret_access_key": secret}

    def problems(self, path: str) -> Iterator[Problem]:
        for name in ("bucket", "endpoint", "access_key"):
            yield from _filled(path, name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage(Checked):
    """One store for all recordings, proved on each host before a slot starts; a request may still name another."""

    prefix: str = option("", "put before the name of every file, as recordings/")
    s3: S3 | None = option(None, "S3 or compatible")
    azure: Azure | None = option(None, "Azure Blob Storage")
    gcp: GCP | None = option(None, "Google Cloud Storage")
    alioss: AliOSS | None = option(None, "Alibaba OSS")

    @property
    def kind(self) -> str:
        """Which one it is ("s3"), or ''."""
        return next((name for name in ("s3", "azure", "gcp", "alioss") if getattr(self, name)), "")

    @property
    def wants(self) -> str:
        """Name of the password that it needs among the secrets; '' for none."""
        keyless = not self.kind or self.by_profile
        return "" if keyless else f"egress-{self.kind}"

    @property
    def by_profile(self) -> bool:
        """Whether the keys are the machine's own: egress asks the cloud's metadata service for them."""
        return self.s3 is not None and not self.s3.access_key

    @property
    def chosen(self) -> S3 | Azure | GCP | AliOSS | None:
        return self.s3 or self.azure or self.gcp or self.alioss

    @property
    def container(self) -> str:
        """What the objects are in."""
        return self.azure.container_name if self.azure else getattr(self.chosen, "bucket", "")

    def config(self, secret: str) -> dict[str, Any]:
        """The block ``storage`` of egress; JSON types only."""
        config: dict[str, Any] = {self.kind: self.chosen.config(secret)} if self.chosen else {}
        return config | ({"prefix": self.prefix} if self.prefix else {})

    def rclone(self, secret: str) -> dict[str, str]:
        """The same store as rclone's options of a remote (rclone.org/s3, /azureblob, /googlecloudstorage)."""
        return {name: value for name, value in self.chosen.rclone(secret).items() if value} if self.chosen else {}

    def problems(self, path: str) -> Iterator[Problem]:
        named = [name for name in ("s3", "azure", "gcp", "alioss") if getattr(self, name)]
        if len(named) > 1:
            yield Problem(path, f"names {' and '.join(named)}", "name one; a request may still choose another")
        if self.prefix.startswith("/") and named:
            yield Problem(f"{path}.prefix", f"is {self.prefix!r}", "names in a bucket begin without a slash")


def _filled(path: str, name: str, value: str) -> Iterator[Problem]:
    if not value:
        yield Problem(f"{path}.{name}", "is empty", "set it")
