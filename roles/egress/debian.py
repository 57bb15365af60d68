"""Debian's browser and what it needs, where no image brings one."""

from __future__ import annotations

import re

GSTREAMER = (
    *(f"gstreamer1.0-plugins-{name}" for name in ("base", "good", "bad", "ugly")),
    "gstreamer1.0-libav",
    "libgstreamer-plugins-bad1.0-0",
)
# The Python loader: for the AAC encoder, see templates/egress/faac.py.j2. Fonts: what rooms are named in.
BROWSER = (
    "chromium",
    "xvfb",
    "pulseaudio",
    "pulseaudio-utils",
    "gstreamer1.0-python3-plugin-loader",
    "fonts-noto-core",
    "fonts-noto-cjk",
    "fonts-noto-color-emoji",
)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


MEMORY_MB = 1800  # of one room in 1920x1080 with 30 pictures/s: 1830 MB (PSS); 330 in 640x360


def policies(page: str, trusted: str) -> dict[str, object]:
    """What the browser may do, in Chromium's words (chromeenterprise.google/policies).

    ``page`` is the site's own for rooms, '' for none; ``trusted`` are the CAs of the site (PEM).
    """
    found: dict[str, object] = {
        # the host's own files are none of a page's business, and it is to leave nothing behind
        "URLBlocklist": ["file://*", "chrome://*", "view-source:*"],
        "DownloadRestrictions": 3,
        "BrowserSignin": 0,
        "PasswordManagerEnabled": False,
    }
    if page:  # it joins the room over the edge, on loopback, which pages from elsewhere may not
        found["LocalNetworkAccessAllowedForUrls"] = [page]
    if trusted:
        found["CACertificates"] = ["".join(one.split()) for one in _CERTIFICATE.findall(trusted)]
    return found
