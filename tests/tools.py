"""``python -m tests.tools``: what tests ask beside Python, from Debian, installed but never started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# program, or file below /usr/lib -> (Debian package, its units)
NEEDED = {
    "amtool": ("prometheus-alertmanager", ["prometheus-alertmanager.service"]),
    "auditd": ("auditd", ["auditd.service"]),
    "bwrap": ("bubblewrap", []),
    "caddy": ("caddy", ["caddy.service", "caddy-api.service"]),
    "docker-registry": ("docker-registry", ["docker-registry.service"]),
    "ffmpeg": ("ffmpeg", []),
    "ffprobe": ("ffmpeg", []),
    "haproxy": ("haproxy", ["haproxy.service"]),
    "kamailio": ("kamailio", ["kamailio.service"]),
    "*/kamailio/modules/tls.so": ("kamailio-tls-modules", []),
    "mmdebstrap": ("mmdebstrap", []),
    "nft": ("nftables", []),
    "nginx": ("nginx", ["nginx.service"]),
    "*/nginx/modules/ngx_stream_module.so": ("libnginx-mod-stream", []),
    "promtool": ("prometheus", ["prometheus.service", "prometheus-node-exporter.service"]),
    "redis-server": ("redis-server", ["redis-server.service"]),
    "ruby": ("ruby", []),
    "shellcheck": ("shellcheck", []),
    "sipp": ("sip-tester", []),
    "skopeo": ("skopeo", []),
    "systemd-analyze": ("systemd", []),
    "testssl": ("testssl.sh", []),
    "umoci": ("umoci", []),
    "wg": ("wireguard-tools", []),
    "wireguard-go": ("wireguard-go", []),
}
_INSTALL = ("apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends")
_POLICY = Path("/usr/sbin/policy-rc.d")  # asked by invoke-rc.d whether a package may start its daemon


def main() -> int:
    """Install what is missing. Exit status 1 when that is not possible."""
    missing = {what: v for what, v in NEEDED.items() if not _there(what)}
    if not missing:
        return 0
    packages = sorted({package for package, _ in missing.values()})
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"tests: {', '.join(missing)} are missing; install {' '.join(packages)}", file=sys.stderr)
        return 1
    print(f"--> installing {', '.join(packages)} (nothing is started)", flush=True)
    ours = not _POLICY.exists()
    if ours:
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    try:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "-q", "update"], [*_INSTALL, *packages]):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    except subprocess.CalledProcessError as error:
        print(f"tests: {' '.join(error.cmd)} failed with status {error.returncode}", file=sys.stderr)
        return 1
    finally:
        if ours:
            _POLICY.unlink()
    if Path("/run/systemd/system").exists():
        units = [unit for _, units in missing.values() for unit in units]
        subprocess.run(["systemctl", "--quiet", "disable", *units], check=False)
    return 0


def _there(what: str) -> bool:
    if "/" in what:
        return any(Path("/usr/lib").glob(what))
    return shutil.which(what, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is not None


if __name__ == "__main__":
    sys.exit(main())
