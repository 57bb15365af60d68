"""What base leaves on a host."""

from __future__ import annotations

from testinfra.host import Host

from livekit_metal.site.model import HostStack, Site


def test_packages_are_installed(host: Host, stack: HostStack) -> None:
    missing = [name for name in stack.base.needed if not host.package(name).is_installed]
    assert missing == []


def test_stock_units_cannot_start(host: Host, stack: HostStack) -> None:
    here = [unit for unit in stack.base.masked if host.package(unit.removesuffix(".service")).is_installed]
    states = {unit: host.check_output("systemctl is-enabled %s; true", unit) for unit in here}
    assert set(states.values()) <= {"masked"}, states
    assert states, "a host without any daemon of a package proves nothing"


def test_an_upgrade_of_a_package_restarts_no_daemon_of_ours(host: Host, stack: HostStack) -> None:
    """What apt does to a package with its postinst: installed again, the way an upgrade ends."""
    units = [u for u in stack.base.daemons if host.service(u).is_running]
    assert units

    def pids() -> dict[str, str]:
        return {u: host.check_output("systemctl show -p MainPID,ActiveEnterTimestampMonotonic %s", u) for u in units}

    before = pids()
    packages = [p for p in ("redis-server", "valkey-server", "haproxy", "prometheus") if p in stack.base.needed]
    for package in packages:
        host.check_output("DPKG_ROOT= dpkg-reconfigure -f noninteractive %s", package)
    assert packages or "livekit" not in stack.base.users
    assert pids() == before


def test_the_user_of_livekit_cannot_log_in(host: Host, stack: HostStack) -> None:
    for name in stack.base.users:
        user = host.user(name)
        assert user.exists
        assert user.shell == "/usr/sbin/nologin"


def test_the_fingerprint_is_that_of_the_site_and_only_root_reads_it(host: Host, stack: HostStack) -> None:
    file = host.file(stack.base.fingerprint_file)
    assert file.content_string.split()[0] == stack.base.fingerprint
    assert (file.mode, file.user) == (0o600, "root")


def test_the_host_knows_how_far_the_secrets_had_come(host: Host, site: Site, stack: HostStack) -> None:
    assert site.vault is not None
    file = host.file(stack.base.serial_file)
    assert file.content_string.strip() == str(site.vault.state)
    assert (file.mode, file.user) == (0o600, "root")
