"""``livekit-metal init``: what it writes loads and is laid out as ruff would; what is wrong changes nothing."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from livekit_metal.cli.init import command
from livekit_metal.roles.acme.settings import Settings as Acme
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.site import inventory
from livekit_metal.site.model import Site

ROOT = Path(__file__).parents[3]
ONE = ("--host", "203.0.113.11", "--admin", "198.51.100.0/24")
NAMED = (*ONE, "--domain", "lk.example.org", "--email", "ops@example.org")
THREE = (
    *("--host", "a=203.0.113.11,10.0.0.1", "--host", "b=203.0.113.12,10.0.0.2", "--host", "c=203.0.113.13,10.0.0.3"),
    *("--admin", "198.51.100.0/24", "--admin", "2001:db8:1::/48"),
)
WRITTEN = {
    ".gitattributes",
    ".gitignore",
    "README.md",
    "config.py",
    "deploy.py",
    "inventories/prod.py",
}
WEBHOOKS = '--set=livekit.webhooks=["https://app.example.org/livekit/of/production","https://b.example.org/livekit"]'
LONG = "~/" + "a-directory-with-a-name-of-its-own/" * 3 + "id_ed25519"


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "keys"))
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # no terminal


def files(directory: Path) -> set[str]:
    return {str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()}


def made(directory: Path, *words: str) -> Site:
    """The site of the repository that these words make."""
    assert command.main([str(directory), *words]) == 0
    return inventory.read(directory / "inventories/prod.py")


@pytest.mark.parametrize(
    "words",
    [
        ONE,
        NAMED,
        THREE,
        (*NAMED, "--tls", "internal"),
        (*THREE, "--egress", "b,c", "--ingress", "all", "--redis", "b", "--prometheus", "none"),
        (*ONE, "--ssh-user", "deploy", "--ssh-port", "2222", "--ssh-key", LONG),
        (*ONE, "--ssh-key", '/keys/of "ops"/it\'s', "--ssh-known-hosts", "C:\\hosts", "--ssh-config", 'a"b'),
        (*ONE, WEBHOOKS, "--set", "livekit.extra.room.enabled_codecs=[]", "--set", "livekit.room.auto_create=false"),
        (*ONE, *(word for n in range(5) for word in ("--admin", f"203.0.113.{n * 16}/28"))),
    ],
)
def test_what_is_written_loads_and_needs_no_formatting(words: tuple[str, ...], tmp_path: Path) -> None:
    site = made(tmp_path / "site", *words)
    assert files(tmp_path / "site") == WRITTEN
    assert site.hosts
    for width in ("88", "120"):
        check = [sys.executable, "-m", "ruff", "format", "--diff", "--isolated", "--no-cache", "--line-length", width]
        done = subprocess.run([*check, tmp_path / "site"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    lint = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "E4,E7,E9,F,I,W"]
    assert subprocess.run([*lint, tmp_path / "site"], check=False).returncode == 0


def test_texts_arrive_as_they_were_given(tmp_path: Path) -> None:
    key = '/keys/of "ops"/it\'s\\here'
    (host,) = made(tmp_path / "site", *ONE, "--ssh-key", key, "--ssh-port", "2222").hosts.values()
    assert (host.ssh.key, host.ssh.port) == (key, 2222)


def test_with_a_domain_certificates_come_by_acme(tmp_path: Path) -> None:
    site = made(tmp_path / "site", *NAMED)
    assert (site.of(Edge).tls, site.of(Edge).domain) == ("acme", "lk.example.org")
    assert site.of(Acme).email == "ops@example.org"


def test_without_a_domain_there_is_no_tls(tmp_path: Path) -> None:
    assert made(tmp_path / "site", *ONE).of(Edge).tls == "off"


def test_roles_are_where_they_were_asked_for(tmp_path: Path) -> None:
    site = made(tmp_path / "site", *THREE, "--egress", "b,c", "--redis", "b", "--prometheus", "none")
    assert [set(host.roles) for host in site.hosts.values()] == [
        {"livekit"},
        {"livekit", "egress", "redis"},
        {"livekit", "egress"},
    ]
    assert [host.cluster for host in site.hosts.values()] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_the_version_of_today_stands_in_the_inventory(tmp_path: Path) -> None:
    """Another version of livekit-metal has other defaults, and changes nothing that nobody asked for."""
    made(tmp_path / "site", *ONE)
    text = (tmp_path / "site/inventories/prod.py").read_text()
    assert f'"livekit": {{"release": "{Livekit().release}"}},\n' in text


def test_any_setting_can_be_given(tmp_path: Path) -> None:
    words = ("--set", "livekit.media_udp=50000-50299", "--set", "livekit.room.max_participants=7", "--set", "paths={}")
    livekit = made(tmp_path / "site", *ONE, *words).of(Livekit)
    assert (str(livekit.media_udp), livekit.room.max_participants) == ("50000-50299", 7)


MAIL = "the CA of the certificates asks for one"
BAD = {
    "hosts.lk1.address: '10.0.0.300' is not an IP address; write an IP address; names are for ssh.config": (
        *("--host", "10.0.0.300", "--admin", "198.51.100.0/24"),
    ),
    "firewall.admin[0]: '198.51.100.1/24' is not a network; write one such as 192.0.2.0/24, without host bits": (
        *("--host", "203.0.113.11", "--admin", "198.51.100.1/24"),
    ),
    "edge.domain: 'lk example' is not a name for clients; write one such as lk.example.org": (
        *(*ONE, "--domain", "lk example", "--email", "ops@example.org"),
    ),
    "--redis: there is no host 'lk2'; name some of lk1, or all, none": (*ONE, "--redis", "lk2"),
    "--host: lk1 is there twice; give each host a name of its own": (*ONE, "--host", "lk1=203.0.113.12"),
    "--host: is missing; name each host: --host lk1=203.0.113.11": ("--admin", "198.51.100.0/24"),
    "--admin: is missing; name the network that you come from: --admin 198.51.100.0/24": ("--host", "203.0.113.11"),
    f"--email: is missing; {MAIL}": (*ONE, "--domain", "lk.example.org"),
    "--domain: is missing; certificates are for a name": (*ONE, "--tls", "acme", "--email", "ops@example.org"),
    "--name: '../prod' is not a name for a site; use letters, digits, - and _": (*ONE, "--name", "../prod"),
    "--set livekit: has no value; write it as livekit.source=module": (*ONE, "--set", "livekit"),
    "livekit.releas: unknown key; did you mean 'release'?": (*ONE, "--set", "livekit.releas=1"),
}


@pytest.mark.parametrize(("message", "words"), BAD.items())
def test_bad_input_changes_nothing_and_says_why(
    message: str, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(tmp_path / "site"), *words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err.splitlines()
    assert said.err.startswith("livekit-metal init: nothing was written")
    assert files(tmp_path) == set()
    assert not (tmp_path / "site").exists()


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--host", "10.0.0.300", "--admin", "x", "--domain", "lk example", "--email", "ops@example.org")
    assert command.main([str(tmp_path / "site"), *words]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_a_directory_with_something_in_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "notes.txt").write_text("mine")
    assert command.main([str(site), *ONE]) == 1
    assert f"{site}: is not empty: there is notes.txt; name an empty directory" in capsys.readouterr().err
    assert files(site) == {"notes.txt"}


def test_a_repository_and_an_environment_may_be_there(tmp_path: Path) -> None:
    for name in (".git", ".venv"):
        (tmp_path / "site" / name).mkdir(parents=True)
    made(tmp_path / "site", *ONE)
    assert files(tmp_path / "site") == WRITTEN


def test_a_second_time_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "site", *ONE)
    before = (tmp_path / "site/inventories/prod.py").read_text()
    assert command.main([str(tmp_path / "site"), *NAMED]) == 1
    assert (tmp_path / "site/inventories/prod.py").read_text() == before


def test_it_ends_with_the_next_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the pyinfra that is beside this Python, whatever else there is in PATH."""
    site, own = tmp_path / "my site", Path(sys.executable).with_name("pyinfra")
    monkeypatch.setenv("PATH", "/nowhere")
    assert command.main([str(site), *ONE, "--name", "live"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{site}: written", f"next: cd '{site}' && {own} inventories/live.py deploy.py"]
    monkeypatch.setenv("PATH", str(own.parent))
    monkeypatch.chdir(tmp_path)
    assert command.main(["here", *ONE]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "next: cd here && pyinfra inventories/prod.py deploy.py"


def test_an_environment_inside_of_it_is_named_from_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site/.venv/bin").mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "site/.venv/bin/python"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path / "site")
    assert command.main([".", *ONE]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "next: .venv/bin/pyinfra inventories/prod.py deploy.py"


def test_deploy_and_configuration_are_what_this_checkout_has(tmp_path: Path) -> None:
    made(tmp_path / "site", *ONE)
    for name in ("deploy.py", "config.py"):
        written, ours = ((place / name).read_text() for place in (tmp_path / "site", ROOT))
        assert written.partition('"""\n')[2] == ours.partition('"""\n')[2]
