# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and users of a run, made by openssl when first asked for."""

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

    def _server(self, kind):
        key = self.directory / f"server-{kind}.key"
        request = self.directory / f"server-{kind}.csr"
        certificate = self.directory / f"server-{kind}.crt"
        run(["openssl", "req", "-new", *_KEY[kind], "-nodes", "-subj", f"/CN={SERVER_NAME}",
             "-addext", f"subjectAltName=DNS:{SERVER_NAME}", "-keyout", key, "-out", request])
        run(["openssl", "x509", "-req", "-in", request, "-CA", self.ca,
             "-CAkey", self.ca.with_suffix(".key"), "-CAcreateserial", "-days", "2",
             "-copy_extensions", "copy", "-out", certificate])
        key.chmod(0o600)
        return certificate, key

    @cached_property
    def server(self):
        """(certificate, key) with SERVER_NAME as subject alternative name."""
        return self._server("p256")

    @cached_property
    def rsa_server(self):
        return self._server("rsa2048")

    @cached_property
    def users(self):
        hashed = run(["openssl", "passwd", "-6", PASSWORD]).stdout.strip()
        path = self.directory / "users"
        path.touch(mode=0o600)
        path.write_text(f"{USER}:{hashed}\n{BCRYPT_USER}:{BCRYPT_HASH}\n")
        return path
