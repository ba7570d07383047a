from itertools import product

import pytest

from protocol.signon_messages import SignOnOutcome, Verdict
from validator.outcomes import EXIT_CODES, ExitCode, Outcome, concluded

EXPECTED = {
    (Verdict.APPROVE, SignOnOutcome.SIGNED_ON): Outcome.SIGNED_ON,
    (Verdict.APPROVE, SignOnOutcome.REFUSED): Outcome.REFUSED,
    (Verdict.APPROVE, SignOnOutcome.AWAITING_APPROVER): Outcome.AWAITING_APPROVER,
    (Verdict.APPROVE, SignOnOutcome.TOO_LATE): Outcome.TOO_LATE,
    (Verdict.APPROVE, SignOnOutcome.DISABLED): Outcome.DISABLED,
    (Verdict.DENY, SignOnOutcome.SIGNED_ON): Outcome.CONTRADICTED,
    (Verdict.DENY, SignOnOutcome.REFUSED): Outcome.DENIED,
    (Verdict.DENY, SignOnOutcome.AWAITING_APPROVER): Outcome.CONTRADICTED,
    (Verdict.DENY, SignOnOutcome.TOO_LATE): Outcome.TOO_LATE,
    (Verdict.DENY, SignOnOutcome.DISABLED): Outcome.DISABLED,
    (Verdict.REPORT, SignOnOutcome.SIGNED_ON): Outcome.CONTRADICTED,
    (Verdict.REPORT, SignOnOutcome.REFUSED): Outcome.REPORTED,
    (Verdict.REPORT, SignOnOutcome.AWAITING_APPROVER): Outcome.CONTRADICTED,
    (Verdict.REPORT, SignOnOutcome.TOO_LATE): Outcome.TOO_LATE,
    (Verdict.REPORT, SignOnOutcome.DISABLED): Outcome.DISABLED,
}


@pytest.mark.parametrize(("verdict", "receipt"), list(product(Verdict, SignOnOutcome)))
def test_every_decision_and_receipt(verdict: Verdict, receipt: SignOnOutcome):
    assert concluded(verdict, receipt) is EXPECTED[verdict, receipt]


def test_every_outcome_has_an_exit_code_and_only_one_is_success():
    assert set(EXIT_CODES) == set(Outcome)
    assert [o for o in Outcome if EXIT_CODES[o] is ExitCode.SIGNED_ON] == [Outcome.SIGNED_ON]
