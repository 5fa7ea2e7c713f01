"""Coinbase's tokens: what is sent is what ccxt itself would send, to the last byte."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from tieout.brokers.ccxt.guard import arm, connect

NAME = "organizations/x/apiKeys/y"
AT = 1_795_000_000


def pem(key: Any, form: PrivateFormat = PrivateFormat.TraditionalOpenSSL) -> str:
    """The key as Coinbase gives it."""
    return str(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode())


P256 = [
    pem(ec.generate_private_key(ec.SECP256R1()), form)
    for form in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8)
]


def token(secret: str, *, armed: bool, uri: str = "/api/v3/brokerage/accounts", method: str = "GET") -> str:
    """The token for one request, with a nonce that does not change."""
    client = connect("coinbase", {"apiKey": NAME, "secret": secret}, {})
    if armed:
        arm(client)
    client.random_bytes = lambda length: "ab" * length
    return str(client.create_auth_token(AT, method, f"https://api.coinbase.com{uri}"))


@given(uri=st.from_regex(r"/[a-z0-9/_-]{1,60}", fullmatch=True), method=st.sampled_from(["GET", "POST", "DELETE"]))
@pytest.mark.parametrize("secret", P256)
def test_a_token_is_the_one_that_ccxt_makes(secret: str, uri: str, method: str) -> None:
    """Header, claims and signature, whichever request it is for and however the key is written."""
    assert token(secret, armed=True, uri=uri, method=method) == token(secret, armed=False, uri=uri, method=method)


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)])
def test_a_key_of_another_kind_is_left_to_ccxt(key: Any) -> None:
    """It makes of it what it always made."""
    secret, told = pem(key, PrivateFormat.PKCS8), list[object]()
    for armed in (True, False):
        try:
            told.append(token(secret, armed=armed).rpartition(".")[0])
        except (TypeError, ValueError, AttributeError) as error:
            told.append(type(error))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "secret", ["-----BEGIN nonsense", P256[0].replace("EC PRIVATE KEY-----", "EC PRIVATE KEY-----\nAAAA", 1)]
)
def test_what_is_no_key_fails_as_it_does_in_ccxt(secret: str) -> None:
    """The failure is of the same class, and nothing is signed."""
    for armed in (True, False):
        with pytest.raises(ValueError):
            token(secret, armed=armed)


def test_a_client_with_two_secrets_in_a_row_signs_with_the_present_one() -> None:
    """Keys are kept by what they are parsed from: a new secret is a new key."""
    client = connect("coinbase", {"apiKey": NAME, "secret": P256[0]}, {})
    arm(client)
    client.random_bytes = lambda length: "ab" * length
    other = pem(ec.generate_private_key(ec.SECP256R1()))
    for secret in (P256[0], other, P256[0]):
        client.secret = secret
        told = client.create_auth_token(AT, "GET", "https://api.coinbase.com/api/v3/brokerage/accounts")
        assert told == token(secret, armed=False)
