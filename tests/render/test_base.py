"""Base's files, read by the programs they are for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from livekit_metal.runtime.host.files import text
from livekit_metal.site.model import Site


def test_sysusers_makes_the_users(any_site: Site, tmp_path: Path) -> None:
    base = any_site.for_host("lk1").base
    conf = tmp_path / "users.conf"
    conf.write_text(text("base/livekit-metal.sysusers.j2", base=base))
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    done = subprocess.run(
        ["systemd-sysusers", f"--root={root}", str(conf)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    users = (root / "etc" / "passwd").read_text()
    assert [line.split(":")[0] for line in users.splitlines() if "nologin" in line] == list(base.users)


def test_needrestart_leaves_exactly_our_units_alone(any_site: Site, tmp_path: Path) -> None:
    """Perl reads it as needrestart would, and says what it makes of each unit."""
    base = any_site.for_host("lk1").base
    conf = tmp_path / "needrestart.conf"
    conf.write_text(text("base/livekit-metal.needrestart.j2", base=base))
    program = (
        "our %nrconf; do $ARGV[0]; die $@ if $@; shift;"
        "for my $u (@ARGV) { for my $r (keys %{$nrconf{override_rc}})"
        "{ print qq($u $nrconf{override_rc}->{$r}\\n) if $u =~ /$r/ } }"
    )
    others = ["ssh.service", "livekit-own.service", "xlivekit-edge.service"]
    command = ["perl", "-e", program, str(conf), *base.daemons, *others]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [f"{unit} 0" for unit in base.daemons]
    assert all(re.fullmatch(r"livekit-[\w@-]+\.service", unit) for unit in base.daemons)
