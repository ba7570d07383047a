from pam_agent.offer_display import GROUP, QUIET_ZONE, qr_lines, typed_lines
from protocol.enrolment import Offer

OFFER = Offer(
    agent_public=bytes(range(32)),
    secret=bytes(range(32, 64)),
    expires=1_800_000_000,
    shard=7,
    relays=("relay.example.org:4817", "relay2.example.org:4817"),
    host="web1.example.org",
)


def test_what_is_typed_is_the_offer() -> None:
    lines = typed_lines(OFFER.encode())
    assert Offer.decode("\n".join(lines)) == OFFER
    assert Offer.decode("  ".join(lines).upper()) == OFFER
    assert all(len(line) <= 72 for line in lines)
    assert all(len(group) <= GROUP for line in lines[1:] for group in line.split("-"))


def test_the_qr_code_fits_a_terminal_and_is_half_blocks() -> None:
    lines = qr_lines(OFFER.encode())
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 80
    assert {c for line in lines for c in line} == set(" █▀▄")


def test_the_qr_code_has_the_upper_case_offer() -> None:
    """Read back the modules: a code made from the same text has the same ones."""
    import segno

    lines = qr_lines(OFFER.encode())
    modules: list[list[bool]] = []
    for line in lines:
        modules.append([c in " ▄" for c in line])  # dark in the upper half
        modules.append([c in " ▀" for c in line])
    expected = segno.make_qr(OFFER.encode().upper(), error="l")
    assert expected.mode == "alphanumeric"
    for row, line in enumerate(expected.matrix_iter(border=QUIET_ZONE)):
        assert modules[row] == [bool(module) for module in line]


def test_what_others_read_keeps_its_case() -> None:
    import segno

    text = "otpauth://totp/Web1:ada?secret=AB"
    width = segno.make_qr(text, error="l").symbol_size(border=QUIET_ZONE)[0]
    assert len(qr_lines(text, keep_case=True)[0]) == width
    assert qr_lines(text, keep_case=True) != qr_lines(text)
