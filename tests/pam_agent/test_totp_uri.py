import base64
from urllib.parse import parse_qs, unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from pam_agent.totp_uri import SECRET_LENGTH, totp_uri, typed_secret

SECRET = b"12345678901234567890"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def test_it_says_what_apps_would_guess() -> None:
    assert totp_uri(SECRET, "ada", "web1") == (
        "otpauth://totp/web1:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=web1"
        "&algorithm=SHA1&digits=6&period=30"
    )


@given(st.binary(min_size=SECRET_LENGTH, max_size=SECRET_LENGTH), TEXT, TEXT)
def test_whatever_names_there_are_it_is_read_back(secret: bytes, account: str, host: str) -> None:
    parts = urlsplit(totp_uri(secret, account, host))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert [unquote(each) for each in parts.path[1:].split(":")] == [host, account]
    found = parse_qs(parts.query)
    assert base64.b32decode(found["secret"][0]) == secret
    assert found["issuer"] == [host]


def test_what_is_typed_is_the_secret() -> None:
    typed = typed_secret(SECRET)
    assert base64.b32decode(typed.replace(" ", "")) == SECRET
    assert all(len(group) == 4 for group in typed.split(" "))
