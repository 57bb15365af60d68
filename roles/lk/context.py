"""lk's own configuration: the site as its one project."""

from __future__ import annotations

import json


def document(name: str, url: str, key: str, secret: str) -> str:
    """cli-config.yaml, as JSON, which is YAML."""
    project = {"name": name, "url": url, "api_key": key, "api_secret": secret}
    return json.dumps({"default_project": name, "projects": [project]}, indent=2) + "\n"
