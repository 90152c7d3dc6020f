# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, users and tokens of a run, made by openssl when first asked for."""

import base64
import itertools
import json
import time
from functools import cached_property

from .process import run

SERVER_NAME = "vpn.slipway.test"
USER = "alice"
PASSWORD = "correct horse"
BCRYPT_USER = "bruno"
# Of the same password, cost 5: openssl cannot make this kind.
BCRYPT_HASH = "$2b$05$RwNg0jRK0w.XuKsb7NIaJO58OLnL8/e/Fns9wiq7PEH9v1.t.n6Du"

_KEY = {
    "p256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa2048": ["-newkey", "rsa:2048"],
}

_numbers = itertools.count(1)


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Pki:
    """Files in a directory that only root can read."""

    def __init__(self, directory):
        self.directory = directory / "pki"
        self.directory.mkdir(mode=0o700)

    def _authority(self, name):
        certificate = self.directory / f"{name}.crt"
        run(["openssl", "req", "-x509", *_KEY["p256"], "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
             "-keyout", self.directory / f"{name}.key", "-out", certificate])
        return certificate

    @cached_property
    def ca(self):
        return self._authority("slipway-test-ca")

    @cached_property
    def other_ca(self):
        """An authority that has signed nothing."""
        return self._authority("another-ca")

    def _server(self, kind, authority=None, name="server", common_name=SERVER_NAME,
                names=f"DNS:{SERVER_NAME}"):
        authority = authority or self.ca
        key = self.directory / f"{name}-{kind}.key"
        request = self.directory / f"{name}-{kind}.csr"
        certificate = self.directory / f"{name}-{kind}.crt"
        alternative = ["-addext", f"subjectAltName={names}"] if names else []
        run(["openssl", "req", "-new", *_KEY[kind], "-nodes", "-subj", f"/CN={common_name}",
             *alternative, "-keyout", key, "-out", request])
        run(["openssl", "x509", "-req", "-in", request, "-CA", authority,
             "-CAkey", authority.with_suffix(".key"), "-CAcreateserial", "-days", "2",
             "-copy_extensions", "copy", "-out", certificate])
        key.chmod(0o600)
        return certificate, key

    @cached_property
    def server(self):
        """(certificate, key) with SERVER_NAME as subject alternative name."""
        return self._server("p256")

    def named_server(self, common_name, names=None):
        """(certificate, key) with these names; None: no alternative names."""
        return self._server("p256", name=f"named-{next(_numbers)}", common_name=common_name,
                            names=names)

    @cached_property
    def rsa_server(self):
        return self._server("rsa2048")

    @cached_property
    def chained_server(self):
        """(certificate with that of its authority behind it, key); the CA has signed the authority."""
        authority = self.directory / "between.crt"
        key, request = authority.with_suffix(".key"), authority.with_suffix(".csr")
        run(["openssl", "req", "-new", *_KEY["p256"], "-nodes", "-subj", "/CN=between",
             "-addext", "basicConstraints=critical,CA:TRUE",
             "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", key, "-out", request])
        run(["openssl", "x509", "-req", "-in", request, "-CA", self.ca,
             "-CAkey", self.ca.with_suffix(".key"), "-CAcreateserial", "-days", "2",
             "-copy_extensions", "copy", "-out", authority])
        certificate, key = self._server("p256", authority, "chained")
        with certificate.open("a") as chain:
            chain.write(authority.read_text())
        return certificate, key

    @cached_property
    def next_authority(self):
        """Another authority, whose servers carry SERVER_NAME too."""
        return self._authority("next-ca")

    @cached_property
    def next_server(self):
        """(certificate, key) from that one."""
        return self._server("p256", self.next_authority, "next")

    def _token_key(self, name):
        key, public = (self.directory / f"{name}.{suffix}" for suffix in ("key", "pub"))
        run(["openssl", "genrsa", "-out", key, "2048"])
        run(["openssl", "rsa", "-in", key, "-pubout", "-out", public])
        return key, public

    @cached_property
    def token_key(self):
        """(private key, public key) that tokens are signed with."""
        return self._token_key("tokens")

    @cached_property
    def other_token_key(self):
        return self._token_key("other-tokens")

    def token(self, claims=None, header=None, key=None):
        """A JSON web token, good for an hour unless claims say something else."""
        claims = {"exp": int(time.time()) + 3600, **(claims or {})}
        parts = [header or {"alg": "RS256", "typ": "JWT"},
                 {name: value for name, value in claims.items() if value is not None}]
        text = b".".join(_base64url(json.dumps(part).encode()) for part in parts)
        message = self.directory / f"message-{next(_numbers)}"
        signature = message.with_suffix(".sig")
        message.write_bytes(text)
        run(["openssl", "dgst", "-sha256", "-sign", key or self.token_key[0], "-out", signature,
             message])
        return (text + b"." + _base64url(signature.read_bytes())).decode()

    @cached_property
    def users(self):
        hashed = run(["openssl", "passwd", "-6", PASSWORD]).stdout.strip()
        path = self.directory / "users"
        path.touch(mode=0o600)
        path.write_text(f"{USER}:{hashed}\n{BCRYPT_USER}:{BCRYPT_HASH}\n")
        return path
