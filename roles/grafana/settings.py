"""Settings of Grafana. Upstream: https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.ports import Port, PortRange, Proto, Reach, endpoint
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import File, WebUrl

UNIT = "livekit-grafana.service"
USER = "grafana"
PASSWORD = "grafana-admin"  # noqa: S105 - the name of the secret
CREDENTIAL = "admin-password"  # as the unit gives it to the daemon (systemd.exec(5), LoadCredential=)
SOURCE = "livekit-prometheus"  # uid of the data source


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """Grafana on hosts with the role ``grafana``, beside Prometheus, on loopback; clients reach it by the edge."""

    file: File = option(
        "", "Grafana's archive (.tar.gz) or Debian package (.deb) on this machine: nothing is downloaded"
    )
    sha256: str = option("", "of that file, 64 hex digits")
    port: PortRange = option(PortRange(3000, 3000), "port of its page, on loopback (http_port)")
    url: WebUrl = option("", "where people find it (root_url), with edge.backends that lead there; '': an SSH tunnel")
    extra: Mapping[str, Mapping[str, Any]] = option(
        {}, "other upstream options by section, such as {'smtp': {…}}; none that is set from here"
    )

    path: str = derived("")  # of the file, whole
    dashboards: Mapping[str, str] = derived({})  # name of a file -> its text
    prometheus: str = derived("")  # address:port of the server's API
    password: Secret | None = derived(None)  # of the user admin
    config_root: str = derived("")
    release_root: str = derived("")
    state_root: str = derived("")

    @property
    def folder(self) -> str:
        return f"{self.config_root}/grafana"

    @property
    def config_file(self) -> str:
        return f"{self.folder}/grafana.ini"

    @property
    def password_file(self) -> str:
        return f"{self.folder}/{CREDENTIAL}"

    @property
    def release(self) -> str:
        """The directory of the program, which is never written to again."""
        return f"{self.release_root}/grafana/{self.sha256[:12]}"

    @property
    def home(self) -> str:
        """A link there to what upstream calls its home (--homepath)."""
        return f"{self.release}/home"

    @property
    def data(self) -> str:
        return f"{self.state_root}/grafana"

    @property
    def listen(self) -> str:
        return endpoint("127.0.0.1", self.port.first)

    @property
    def config(self) -> dict[str, dict[str, Any]]:
        """grafana.ini: section -> option -> value."""
        both = self.own_config
        for section, options in self.extra.items():
            both.setdefault(section, {}).update(options)
        return both

    @property
    def own_config(self) -> dict[str, dict[str, Any]]:
        """The part that is decided here."""
        public = self.url or f"http://{self.listen}/"
        secure = public.startswith("https")
        return {
            "paths": {
                "data": self.data,
                "plugins": f"{self.data}/plugins",
                "provisioning": f"{self.folder}/provisioning",
            },
            "server": {"http_addr": "127.0.0.1", "http_port": self.port.first, "root_url": public},
            "security": {
                "admin_user": "admin",
                "admin_password": f"$__file{{/run/credentials/{UNIT}/{CREDENTIAL}}}",
                "cookie_secure": secure,
                "disable_gravatar": True,
            },
            # nothing is told to anybody, and nothing is fetched
            "analytics": {"reporting_enabled": False, "check_for_updates": False, "check_for_plugin_updates": False},
            "news": {"news_feed_enabled": False},
            "snapshots": {"external_enabled": False},
            "users": {"allow_sign_up": False},
            "auth.anonymous": {"enabled": False},
            "log": {"mode": "console"},
            "log.console": {"format": "json"},
        }

    @property
    def source(self) -> dict[str, Any]:
        """provisioning/datasources: YAML, of which JSON is a part."""
        return {
            "apiVersion": 1,
            "datasources": [
                {
                    "name": "LiveKit",
                    "uid": SOURCE,
                    "type": "prometheus",
                    "access": "proxy",
                    "url": f"http://{self.prometheus}",
                    "isDefault": True,
                    "editable": False,
                }
            ],
        }

    @property
    def provider(self) -> dict[str, Any]:
        """provisioning/dashboards."""
        own = {
            "name": "livekit-metal",
            "folder": "LiveKit",
            "type": "file",
            "options": {"path": f"{self.folder}/dashboards"},
        }
        return {"apiVersion": 1, "providers": [own | {"allowUiUpdates": False, "updateIntervalSeconds": 30}]}

    @property
    def provisioned(self) -> dict[str, str]:
        """Path -> text of all that Grafana reads beside its configuration."""
        folder = f"{self.folder}/provisioning"
        return {
            f"{folder}/datasources/livekit.yaml": json.dumps(self.source, indent=1) + "\n",
            f"{folder}/dashboards/livekit.yaml": json.dumps(self.provider, indent=1) + "\n",
            **{f"{self.folder}/dashboards/{name}": text for name, text in self.dashboards.items()},
        }

    def ports(self) -> Iterator[Port]:
        yield Port("grafana", "web", Proto.TCP, self.port, Reach.LOCAL, "Grafana's page and API", "grafana.port")

    def problems(self, path: str) -> Iterator[Problem]:
        if len(self.port) != 1:
            yield Problem(f"{path}.port", f"is a range ({self.port})", "give one port")
        if self.file and not self.file.endswith((".deb", ".tar.gz", ".tgz")):
            yield Problem(f"{path}.file", f"is {self.file!r}", "give upstream's .tar.gz or .deb")
        if self.file and not re.fullmatch(r"[0-9a-f]{64}", self.sha256, re.ASCII):
            yield Problem(f"{path}.sha256", f"is {self.sha256!r}", f"write what `sha256sum {self.file}` says")
        for section, options in self.extra.items():
            for key in options.keys() & self.own_config.get(section, {}).keys():
                remedy = "use the setting that owns it"
                yield Problem(f"{path}.extra.{section}.{key}", "is set by livekit-metal", remedy)
