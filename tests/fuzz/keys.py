"""Keys: a channel's key file and link, age identities and recipients, and a pairing's secret.

Run it in an empty folder, since a recipient may be the name of a file.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fuzz import changes
from fuzz.feeds import KEY
from fuzz.harness import Harness, Target, by_bytes, work_folder
from memocast.channels import pair
from memocast.errors import WrongKey
from memocast.formats import age, channel, channel_key, mutable_item
from memocast.formats.channel import Channel, ChannelLink
from memocast.formats.magnet import MAX_TRACKERS
from memocast.formats.trackers import is_tracker

SEED = bytes(range(32))
PUBLIC = mutable_item.public_key(SEED)


def key_file(data: bytes) -> str:
    """The file that `channel import` reads."""
    link, secret = channel_key.from_text(data.decode(errors="replace"))
    assert mutable_item.public_key(secret) == link.public_key
    check_link(link)
    again = channel_key.to_text(Channel(1, link, link.name, secret))
    assert channel_key.from_text(again) == (link, secret)
    return "accepted"


def channel_link(data: bytes) -> str:
    """A channel's link, as somebody pastes it."""
    link = channel.parse(data.decode(errors="surrogateescape"))
    check_link(link)
    assert channel.parse(str(link)) == link
    return "accepted"


def check_link(link: ChannelLink) -> None:
    """It has a key, and nothing that memocast may not contact, keep or show."""
    assert len(link.public_key) == 32
    assert len(link.salt) <= mutable_item.MAX_SALT_BYTES
    assert len(link.name.encode()) <= 100
    assert len(link.trackers) <= MAX_TRACKERS
    assert all(map(is_tracker, link.trackers))
    assert len(link.age_identity) <= 200
    str(link).encode()


def identities(data: bytes) -> str:
    """A file of age identities, or an SSH private key."""
    file = work_folder() / "identities"
    file.write_bytes(data)
    found = age.identities_in(file)
    assert found
    with contextlib.suppress(WrongKey):
        age.unseal(_sealed(), found)
    return "accepted"


def recipients(data: bytes) -> str:
    """Recipients, or the name of a file of them."""
    text = data.decode(errors="surrogateescape")
    # Nothing outside the empty folder is opened: /dev/zero has no end, and a FIFO blocks.
    if "/" in text and not text.strip().startswith(("age1", "ssh-")):
        return "skipped"
    return _sealed_to(age.recipients([text]))


def recipients_file(data: bytes) -> str:
    """A file of recipients."""
    file = work_folder() / "recipients"
    file.write_bytes(data)
    return _sealed_to(age.recipients([str(file)]))


def _sealed_to(found: tuple[str, ...]) -> str:
    assert 0 < len(found) <= age.MAX_RECIPIENTS
    assert found == tuple(sorted(set(found)))
    assert age.recipients(["\n".join(found) + "\n"]) == found
    header = age.seal(b"x", found).partition(b"\n---")[0]
    assert header.count(b"\n-> ") >= len(found)
    return "accepted"


def secret(data: bytes) -> str:
    """A pairing's secret."""
    text = data.decode(errors="surrogateescape")
    link, seed = pair.meeting_place(text)
    assert len(seed) == 32
    assert mutable_item.public_key(seed) == link.public_key
    made = Channel(1, link, "", seed)
    assert pair.meeting_place(pair.secret_of(made)) == (link, seed)
    recipient = age.recipient_of(link.age_identity)
    assert age.unseal(age.seal(b"x", [recipient]), [age.identity(link.age_identity)]) == b"x"
    return "accepted"


@functools.cache
def _sealed() -> bytes:
    return age.seal(b"x", [age.recipient_of(KEY)])


# -- inputs --------------------------------------------------------------------------


def key_files() -> list[bytes]:
    """Key files, and some with another key in them."""
    link = ChannelLink(PUBLIC, name="Grüße", trackers=("udp://t.example:1",), age_identity=KEY)
    good = channel_key.to_text(Channel(1, link, "c", SEED))
    heading, _, pem = good.partition("-----BEGIN")
    keys = [
        _private("ec", "PKCS8"),
        _private("rsa", "PKCS8"),
        _private("ed25519", "OpenSSH"),
        _private("ed25519", "PKCS8", password=True),
    ]
    return [
        good.encode(),
        good.replace("\n", "\r\n").encode(),
        channel_key.to_text(Channel(1, ChannelLink(PUBLIC, b""), "", SEED)).encode(),
        channel_key.to_text(Channel(1, link, "c", bytes(32))).encode(),
        *(heading.encode() + key for key in keys),
        heading.encode() + b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + pem.encode()[20:],
        f"# {link}\n# magnet:?xs=urn:btpk:{'0' * 64}\n-----BEGIN{pem}".encode(),
        heading.encode(),
        b"",
    ]


def channel_links() -> list[bytes]:
    """Channels' links."""
    return [
        str(ChannelLink(PUBLIC, b"memocast", "A name", ("wss://t.example",), KEY)).encode(),
        str(ChannelLink(PUBLIC, b"")).encode(),
        f"MAGNET:?xs=urn%3abtpk:{PUBLIC.hex().upper()}&s={'ab' * 65}&dn=%ff".encode(),
        f"magnet:?xs=urn:btpk:{PUBLIC.hex()}&s=xyz".encode(),
        f"magnet:?xs=urn:btpk:{PUBLIC.hex()}&x.age=%20abc%0a&s=&s=00#x".encode(),
        b"magnet:?xt=urn:btih:" + b"ab" * 20,
        b"magnet:?xs=urn:btpk:ab",
        b"hello",
        b"",
    ]


def identity_files() -> list[bytes]:
    """Files of identities."""
    return [
        KEY.encode(),
        f"# public key: x\n\n{KEY}\r\n{KEY.lower()}\n".encode(),
        _private("ed25519", "OpenSSH"),
        _private("rsa", "OpenSSH"),
        _private("rsa", "TraditionalOpenSSL"),
        _private("ec", "OpenSSH"),
        _private("ed25519", "PKCS8"),
        _private("ed25519", "PKCS8", password=True),
        b"AGE-PLUGIN-X-1QQQ",
        age.seal(KEY.encode(), [age.recipient_of(KEY)]),
        b"\xef\xbb\xbf" + KEY.encode(),
        KEY.encode()[:-1],
        b"# nothing\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n",
        b"",
    ]


def recipient_texts() -> list[bytes]:
    """Recipients."""
    own = age.recipient_of(KEY).encode()
    ssh = [_public("ed25519"), _public("rsa"), _public("ec")]
    return [
        own,
        *ssh,
        own + b"\n" + ssh[0] + b" somebody@somewhere\n# comment\n" + own,
        b"\n".join(age.recipient_of(age.new_key()).encode() for _ in range(61)),
        own.upper(),
        own[:-1] + b"q",
        b"age1",
        b"ssh-ed25519 AAAA",
        b"ssh-rsa " + b"A" * 400,
        b"ssh-dss AAAA",
        b"age1pq1xyz",
        b"name-of-a-file",
        b"",
    ]


def secrets() -> list[bytes]:
    """Pairings' secrets."""
    good = f"memocast-pair:{KEY}".encode()
    return [
        good,
        b" " + good.lower() + b"\r\n",
        good[:-1],
        good + b"q",
        good.replace(b"memocast-pair:", b"MEMOCAST-PAIR: "),
        KEY.encode(),
        b"memocast-pair:",
        "memocast-pair:AGE-SECRET-KEY-1ſ\udcff".encode(errors="surrogateescape"),
        b"",
    ]


@functools.cache
def _key(kind: str) -> Any:
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(SEED)
    if kind == "ec":
        return ec.derive_private_key(7, ec.SECP256R1())
    return rsa.generate_private_key(65_537, 2_048)


def _private(kind: str, form: str, *, password: bool = False) -> bytes:
    protection = (
        serialization.BestAvailableEncryption(b"x") if password else serialization.NoEncryption()
    )
    found: bytes = _key(kind).private_bytes(
        serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), protection
    )
    return found


def _public(kind: str) -> bytes:
    found: bytes = (
        _key(kind)
        .public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    )
    return found


_in_text = changes.one_of(changes.in_lines, changes.in_fields, by_bytes)

HARNESS = Harness(
    {
        "key file": Target(key_file, key_files, _in_text),
        "channel link": Target(channel_link, channel_links, changes.in_fields),
        "identities": Target(identities, identity_files, _in_text),
        "recipients": Target(recipients, recipient_texts, _in_text),
        "file of recipients": Target(recipients_file, recipient_texts, _in_text),
        "secret": Target(secret, secrets, by_bytes),
    },
    codes=frozenset({2, 5, 7}),
    tokens=(
        *(
            "# magnet:?xs=urn:btpk:",
            "&s=",
            "&x.age=",
            "&dn=",
            "&tr=",
            "-----BEGIN PRIVATE KEY-----",
        ),
        *("-----END PRIVATE KEY-----", "-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN RSA "),
        *("AGE-SECRET-KEY-1", "age1", "ssh-ed25519 ", "ssh-rsa ", "memocast-pair:", "AGE-PLUGIN-"),
    ),
)
