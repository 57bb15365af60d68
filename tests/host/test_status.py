"""procedures/status.py on a deployed host: it says what is, and changes nothing; and what deploys left in the log."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from testinfra.host import Host

from livekit_metal.core.records import AUDIT, AUDIT_DIRECTORY
from livekit_metal.site.model import HostStack, Site
from tests.support.calls import witness
from tests.support.hosts.lab import Lab, over_ssh
from tests.support.hosts.status import hosts, status


def test_it_changes_nothing_and_takes_no_lock(site: Site) -> None:
    all_hosts = {name: over_ssh(name) for name in site.hosts}
    before = {name: host.check_output("stat -c '%n %y' /run/livekit-metal*") for name, host in all_hosts.items()}
    with witness.untouched(all_hosts, site):
        told = status()
    assert told.status == 0, told.text
    for name, host in all_hosts.items():
        assert f"\n{name}\n" in told.text
        assert host.check_output("stat -c '%n %y' /run/livekit-metal*") == before[name]


def test_it_works_while_somebody_holds_the_lock(host: Host, host_name: str) -> None:
    """As a deploy does it: by a shell whose pid is in a file, and that is a `cat` from then on."""
    holder = '{"who": "anna", "from": "laptop", "pid": 7, "since": "2026-11-21 12:00:00Z"}'
    assert hosts()[host_name]["lock"] is None
    host.check_output(
        "lock=/run/livekit-metal.lock; printf '%%s\\n' %s >$lock.holder; "
        "sh -c 'exec 9>>$0; flock -n 9 || exit 1; echo $$ >$0.pid; exec sleep 60' $lock >/dev/null 2>&1 </dev/null & "
        "until [ -e /proc/$(cat $lock.pid)/fd/9 ]; do :; done",
        holder,
    )
    try:
        assert hosts()[host_name]["lock"] == json.loads(holder)
        assert "held by anna on laptop, process 7, since 2026-11-21 12:00:00Z" in status().text
    finally:
        host.check_output("kill $(cat /run/livekit-metal.lock.pid)")


def test_the_active_slot_runs_the_release_of_the_site(host: Host, host_name: str, stack: HostStack) -> None:
    if stack.livekit is None:
        pytest.skip(f"{host_name} has no livekit-server in this site")
    found = hosts()[host_name]
    unit = f"livekit-server@{found['serving']}.service"
    slot = found["slots"][found["serving"]]
    assert slot["state"] == "active"
    assert host.check_output(f"systemctl is-active {unit}") == "active"
    assert slot["release"].startswith(f"{stack.livekit.release}-")
    pid = host.check_output(f"systemctl show -p MainPID --value {unit}")
    assert f"/{slot['release']}/" in host.check_output(f"readlink /proc/{pid}/exe")
    assert f"/{slot['generation']}/" in host.check_output(f"tr '\\0' ' ' </proc/{pid}/cmdline")


def test_the_log_says_whom_sshd_has_let_in(host: Host, lab: Lab) -> None:
    key = (lab.directory / "id_ed25519.pub").read_bytes().split()[1]
    digest = base64.b64encode(hashlib.sha256(base64.b64decode(key)).digest()).decode().rstrip("=")
    known = f"{lab.facts['login']} from {lab.facts['gateway']} SHA256:{digest}"
    first = json.loads(host.check_output(f"head -n 1 {AUDIT}"))
    assert first["login"] == known


def test_no_other_account_can_open_a_lock(host: Host) -> None:
    files = host.check_output("ls /run/livekit-metal.*").split()
    assert {"/run/livekit-metal.lock", "/run/livekit-metal.work"} <= set(files)
    for file in files:
        assert host.run("setpriv --reuid=65534 --regid=65534 --clear-groups cat %s", file).rc != 0, file


def test_every_change_is_in_the_log(host: Host, host_name: str, site: Site, stack: HostStack) -> None:
    lines = [json.loads(line) for line in host.check_output(f"cat {AUDIT}").splitlines()]
    ends = [line for line in lines if line["result"] == "done"]
    assert {line["role"] for line in ends} >= {"kernel", "firewall", *(["livekit", "edge"] if stack.livekit else [])}
    assert {line["procedure"] for line in lines} >= {"deploy"}
    for line in lines:
        assert set(line) == {"when", "login", "who", "procedure", "role", "what", "result"}
        assert all(line.values()), line
    assert lines[-3:] == hosts()[host_name]["changes"]


def test_the_log_is_for_administrators_and_holds_no_secret(host: Host, site: Site) -> None:
    assert host.check_output("stat -c '%%a %%U %%G' %s", AUDIT) == "640 root adm"
    assert host.check_output("stat -c '%%a %%U %%G' %s", AUDIT_DIRECTORY) == "750 root adm"
    text = host.check_output(f"cat {AUDIT}")
    assert site.vault is not None
    assert site.vault.every_value(), "else this would prove nothing"
    for secret in site.vault.every_value():
        assert secret not in text
