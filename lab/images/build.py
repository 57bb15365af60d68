"""Base images: one Debian tree per release, made once by debootstrap and kept in the user's cache directory.

An image is named by the hash of all that went into it. Built as ``….partial``, renamed when complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.images import arch as architectures
from lab.images import sources
from lab.places import images
from lab.run import LabError, lock, run_logged, say, step, write

RECIPE = Path(__file__).with_name("recipe.sh")
MEGABYTE = 1024 * 1024
IMAGE_MEGABYTES = 1200  # while it is built; about 400 when complete
HOST_MEGABYTES = 1000  # an image and what a deploy puts on it

# What a Debian server has after a plain installation: a deploy finds neither more nor less here.
PACKAGES = (
    "bash-completion",
    "ca-certificates",
    "cron",
    "curl",
    "dbus",
    "init",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "libnss-myhostname",
    "libpam-systemd",
    "logrotate",
    "nano",
    "netbase",
    "nftables",
    "openssh-server",
    "procps",
    "psmisc",
    "python3-minimal",
    "sensible-utils",
    "sudo",
    "systemd",
    "systemd-sysv",
    "tzdata",
    "udev",
    "xz-utils",
)


# In namespaces of its own: however this run ends, its processes and mounts end with it.
APART = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)


def image_id(release: str, arch: str, archive: str, authorities: Mapping[str, str], recipe: str) -> str:
    """``release-arch-hash``: the same inputs give the same name, anything else another."""
    inputs = json.dumps([release, arch, PACKAGES, archive, dict(authorities), recipe], sort_keys=True)
    return f"{release}-{arch}-{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def need_space(where: Path, megabytes: int, what: str) -> None:
    """Raises LabError when the file system of ``where`` has less than ``megabytes`` left."""
    free = shutil.disk_usage(where).free // MEGABYTE
    if free < megabytes:
        fact = f"{what} needs {megabytes} MB, {free} MB are free"
        raise LabError(where, fact, "make room on that file system")


def ensure(release: str, arch: str = architectures.NATIVE) -> Path:
    """The tree of a complete image; made now (about a minute, five by qemu-user) when the cache has none."""
    suites = sources.outer_sources()
    archive = sources.sources_file(suites, release)
    authorities = sources.outer_authorities()
    home = images()
    image = home / image_id(release, arch, archive, authorities, RECIPE.read_text())
    if image.exists():
        return image
    home.mkdir(parents=True, exist_ok=True)
    with lock(home / ".lock", "the base images"):
        if not image.exists():
            need_space(home, IMAGE_MEGABYTES, f"the {release} image")
            architectures.ensure(arch)
            minutes = "about a minute" if arch == architectures.NATIVE else "about five minutes"
            with step(f"base image {release} {arch}, once, {minutes}"):
                mirror = next(source.uri for source in suites if source.suite == "")
                _build(image, (release, arch, mirror), archive, authorities)
    return image


def _build(image: Path, wanted: tuple[str, str, str], archive: str, authorities: Mapping[str, str]) -> None:
    release, arch, mirror = wanted
    partial = image.with_name(f"{image.name}.partial")
    log = image.with_name(f"{image.name}.log")
    if partial.exists():
        say(f"removing the half-made {partial.name}")
        shutil.rmtree(partial)
    log.unlink(missing_ok=True)
    remedy = "see why; a mirror that does not answer is the usual reason; then run the same command again"
    options = (f"--arch={arch}", "--variant=minbase", f"--keyring={sources.KEYRING}", f"--include={','.join(PACKAGES)}")
    run_logged("debootstrap", [*APART, "debootstrap", *options, release, partial, mirror], log, remedy)
    (partial / "etc/apt/sources.list").unlink(missing_ok=True)
    write(partial / "etc/apt/sources.list.d/debian.sources", archive)
    for name, text in authorities.items():
        write(partial / "usr/local/share/ca-certificates" / name, text)
    reach_the_archive(partial)
    inside(partial, RECIPE, log, remedy)
    partial.rename(image)


def inside(tree: Path, script: Path, log: Path, remedy: str, *words: str) -> None:
    """Run a shell script with ``tree`` as its root. Raises LabError when it fails."""
    write(tree / "root/recipe.sh", script.read_text())
    enter = 'mount -t proc proc "$0/proc" && exec chroot "$0" /bin/sh /root/recipe.sh "$@"'
    run_logged(script.name, [*APART, "sh", "-c", enter, tree, *words], log, remedy)
    (tree / "root/recipe.sh").unlink()


def forget_the_archive(root: Path) -> None:
    """Take away what ``reach_the_archive`` wrote: it may hold credentials, and an image outlives them."""
    for name in ("etc/resolv.conf", "etc/apt/apt.conf.d/90outer"):
        (root / name).unlink(missing_ok=True)
    for name in sources.outer_auth():
        (root / "etc/apt/auth.conf.d" / name).unlink(missing_ok=True)


def reach_the_archive(root: Path) -> None:
    """Name servers, proxies and credentials as this machine has them now (an image outlives them)."""
    servers = sources.outer_nameservers()
    write(root / "etc/resolv.conf", "".join(f"nameserver {server}\n" for server in servers))
    write(root / "etc/apt/apt.conf.d/90outer", sources.outer_apt_conf())
    for name, text in sources.outer_auth().items():
        write(root / "etc/apt/auth.conf.d" / name, text, 0o600)
