# SPDX-License-Identifier: MIT
"""Opens what an encrypted repository holds: the standard library and libcrypto (OpenSSL 3) by ctypes, for AES alone.

    python3 sealed.py REPOSITORY          asks for the passphrase or recovery key and says whether it opens
"""
import ctypes
import ctypes.util
import getpass
import hashlib
import hmac
import json
import pathlib
import sys

LIBRARY = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_gcm", "EVP_aes_256_ecb"):
    getattr(LIBRARY, name).restype = ctypes.c_void_p
SET_TAG = 0x11
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Wrong(Exception):
    """The tag does not fit: another key, or changed bytes."""


def cipher(kind, key, nonce, data, aad=None, tag=None):
    """AES-256 in ECB (encrypting) or GCM (decrypting)."""
    context = ctypes.c_void_p(LIBRARY.EVP_CIPHER_CTX_new())
    out, count = ctypes.create_string_buffer(len(data) + 16), ctypes.c_int()
    begin = LIBRARY.EVP_EncryptInit_ex if tag is None else LIBRARY.EVP_DecryptInit_ex
    update = LIBRARY.EVP_EncryptUpdate if tag is None else LIBRARY.EVP_DecryptUpdate
    method = ctypes.c_void_p(getattr(LIBRARY, "EVP_aes_256_" + kind)())
    try:
        assert begin(context, method, None, key, nonce) == 1
        if tag is not None:
            assert len(tag) == 16 and LIBRARY.EVP_CIPHER_CTX_ctrl(context, SET_TAG, 16, tag) == 1
            assert update(context, None, ctypes.byref(count), aad, len(aad)) == 1
        assert update(context, out, ctypes.byref(count), data, len(data)) == 1
        if tag is not None and LIBRARY.EVP_DecryptFinal_ex(context, out, ctypes.byref(count)) != 1:
            raise Wrong()
        return out.raw[:len(data)]
    finally:
        LIBRARY.EVP_CIPHER_CTX_free(context)


def open_sealed(key, aad, sealed):
    """XAES-256-GCM: 24 bytes of nonce, the ciphertext, 16 bytes of tag."""
    nonce, body, tag = sealed[:24], sealed[24:-16], sealed[-16:]
    first = int.from_bytes(cipher("ecb", key, None, bytes(16)), "big")
    mask = (first << 1) & ((1 << 128) - 1) ^ (0x87 if first >> 127 else 0)
    halves = [cipher("ecb", key, None, (int.from_bytes(bytes([0, i, 0x58, 0]) + nonce[:12], "big") ^ mask)
                     .to_bytes(16, "big")) for i in (1, 2)]
    return cipher("gcm", b"".join(halves), nonce[12:], body, aad, tag)


def hkdf(key, salt, info, length):
    pseudo, out, block, number = hmac.digest(salt or bytes(32), key, "sha256"), b"", b"", 0
    while len(out) < length:
        number += 1
        block = hmac.digest(pseudo, block + info.encode() + bytes([number]), "sha256")
        out += block
    return out[:length]


def generated_key(text):
    """The 20 bytes of a TMBK-… text, or None for somebody's passphrase."""
    digits = "".join(text.split()).replace("-", "").upper()
    if len(digits) != 40 or not digits.startswith("TMBK"):
        return None
    digits = digits[4:].replace("O", "0").replace("I", "1").replace("L", "1")
    number = 0
    for digit in digits[:32]:
        number = number * 32 + ALPHABET.index(digit)
    return number.to_bytes(20, "big")


def sealed_json(path):
    raw = path.read_bytes()
    body, found, tail = raw.rpartition(b'  "sha256": "')
    if not found or tail != hashlib.sha256(body).hexdigest().encode() + b'"\n}\n':
        sys.exit(f"{path}: damaged")
    return json.loads(raw)


def open_slot(slot, secret):
    """The master key, or None when the secret is not this slot's."""
    generated, salt = generated_key(secret), bytes.fromhex(slot["salt"])
    if (generated is not None) != (slot["kind"] == "generated"):
        return None
    if generated is not None:
        derived = hkdf(generated, salt, "teslamate-backup key slot", 64)
    else:
        derived = hashlib.scrypt(secret.encode("utf-8", "surrogateescape"), salt=salt, n=slot["n"], r=slot["r"],
                                 p=slot["p"], maxmem=1 << 29, dklen=64)
    lines = ["teslamate-backup key", "1", slot["repository"], slot["key"], slot["slot"], slot["kind"], slot["created"],
             f"{slot['n']} {slot['r']} {slot['p']}", slot["salt"], slot["label"].encode().hex()]
    covered = ("\n".join(lines) + "\n").encode()
    if hmac.digest(derived[32:], covered, "sha256").hex() != slot["commit"]:
        return None
    return open_sealed(derived[:32], covered, bytes.fromhex(slot["wrapped"]))


class Keys:
    """The keys of a repository; of one that is not encrypted, none."""

    def __init__(self, repository, ask=getpass.getpass):
        self.format = sealed_json(repository / "format.json")
        self.encrypted = "encrypted" in self.format["features"]
        if not self.encrypted:
            return
        secret = ask("passphrase or recovery key: ")
        slots = [sealed_json(p) for p in sorted((repository / "keys").glob("[0-9a-f]*.json"))]
        masters = [open_slot(s, secret) for s in slots if s["key"] == self.format["key"]]
        master = next((m for m in masters if m), None)
        if master is None:
            sys.exit("no key slot opens with that")
        salt = self.format["id"].encode()
        self.names = hkdf(master, salt, "teslamate-backup object ids", 32)
        self.data = hkdf(master, salt, "teslamate-backup objects", 32)

    def payload(self, raw, name):
        """The zstd frame of an object's file; `name` is the object's id, or the snapshot's."""
        if raw[6] == 0:
            return raw[64:]
        aad = b"teslamate-backup object 1\n" + self.format["id"].encode() + b"\n" + name.encode() + b"\n" + raw[:32]
        return open_sealed(self.data, aad, raw[64:])

    def id_of(self, kind, plain):
        return hmac.digest(self.names, bytes([kind]) + plain, "sha256").hex()


if __name__ == "__main__":
    Keys(pathlib.Path(sys.argv[1]))
    print("it opens")
