"""Who may ask: bearer tokens, and which addresses can be listened on without any.

Knows tokens by their hashes and addresses by their names. Knows no requests and no files.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

ANYONE = ""  # the owner of sessions where no token is needed


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def owner_of(authorization: str | None, digests: Sequence[str]) -> str | None:
    """Who sent this header: a name for the token that tells nothing of it. None: nobody who may ask.

    Every token is compared, in constant time, so that the time taken tells nothing either.
    """
    if not digests:
        return ANYONE
    scheme, _, token = (authorization or "").partition(" ")
    given = digest(token.strip())
    known = [hmac.compare_digest(given, one) for one in digests]
    return given[:16] if scheme.lower() == "bearer" and any(known) else None


def is_for_loopback(host_header: str) -> bool:
    """Whether a request names this machine as its own: one that a web page sends by another name of it does not."""
    return is_loopback((urlsplit(f"//{host_header}").hostname or "") if host_header else "localhost")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
