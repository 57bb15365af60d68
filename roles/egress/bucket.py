"""Whether a host can write to the bucket, read and delete there, with the very credentials that egress gets."""

from __future__ import annotations

import re
import secrets

from pyinfra.api.host import Host

from roles._kit.change import Failed, sh
from roles.egress.storage import Storage
from stack.secret import Secret

# $1 URL of an object that is nobody's, $2 region, $3 what to write. Credentials come by standard input, as a line of
# curl's own configuration: in no argument list, in no file. Prints the step that failed, the status and the answer.
_PROBE = r"""IFS= read -r user; url=$1 text=$3
sum=$(printf %s "$text" | sha256sum | cut -d ' ' -f 1); none=$(printf '' | sha256sum | cut -d ' ' -f 1)
ask() {
  step=$1 hash=$2; shift 2
  said=$(printf '%s\n' "$user" | curl -sS -m 20 -K - --aws-sigv4 "aws:amz:$region:s3" \
    -H "x-amz-content-sha256: $hash" -w '\n%{http_code}' "$@" "$url" 2>&1) || :
  code=$(printf '%s\n' "$said" | tail -n 1); said=$(printf '%s\n' "$said" | sed '$d')
  case $code in 2??) ;; *) printf '%s\n%s\n%s\n' "$step" "$code" "$said" >&2; exit 1 ;; esac
}
region=$2
ask write "$sum" -X PUT -H 'Content-Type: text/plain' --data-binary "$text"
ask read "$none"; [ "$said" = "$text" ] || { printf 'read\n0\nnot what was written\n' >&2; exit 1; }
ask delete "$none" -X DELETE
"""


def probed(storage: Storage) -> bool:
    """Whether the store can be proved: S3 with credentials of our own."""
    return storage.s3 is not None and bool(storage.s3.access_key)


def prove(host: Host, storage: Storage, secret: Secret | None) -> None:
    """Write, read and delete an object from ``host``. Raises Failed, as ``path: fact; remedy``."""
    if (s3 := storage.s3) is None or not probed(storage) or secret is None:
        return
    name = f"{storage.prefix}livekit-metal-probe-{secrets.token_hex(8)}"
    quoted = f"{s3.access_key}:{secret.reveal()}".replace("\\", "\\\\").replace('"', '\\"')
    try:
        sh(host, _PROBE, f"{s3.base}/{name}", s3.region, f"written by {host.name}", stdin=f'user = "{quoted}"\n')
    except Failed as error:
        step, code, said = [*str(error).split("\n", 2), "", ""][:3]
        raise Failed(f"egress.storage.s3: {host.name} cannot {step} at {s3.base}: {_why(code, said)}") from error


def _why(code: str, said: str) -> str:
    """What the store answered, and what to do about it."""
    found = re.search(r"<Code>([^<]*)</Code>", said)
    word = found[1] if found else ""
    if not code.isdigit() or code in ("", "0", "000"):
        return f"{' '.join(said.split()) or 'no answer'}; correct endpoint, or let the host get there"
    told = f"it says {code} {word}".rstrip()
    if word == "NoSuchBucket" or code == "404":
        return f"{told}; make the bucket, or correct bucket and endpoint"
    if word in ("InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return f"{told}; correct access_key, or its secret: python -m procedures.secrets INVENTORY set egress-s3"
    if code == "403":
        return f"{told}; allow this key to put, get and delete objects there"
    return f"{told}; see what the store has against it"
