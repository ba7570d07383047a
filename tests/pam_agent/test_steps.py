from pam_agent.steps import Steps


def test_the_first_time_of_each_step_counts() -> None:
    steps = Steps(1000.0)
    steps.mark("paired", 1000.25)
    steps.mark("opened", 1000.5000004)
    steps.mark("paired", 1001.0)
    assert steps.count == {"paired": 2, "opened": 1}
    assert steps.at == {"paired": 0.25, "opened": 0.5}
