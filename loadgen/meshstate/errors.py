"""Why an expectation cannot be taken from what is in force."""


class NotConfigured(Exception):  # noqa: N818 (a finding, not a mistake of the program's)
    """What the scenario shows is not in force: the proof FAILs, and says what is and what to apply."""


class UnsupportedConfig(Exception):  # noqa: N818
    """Something is in force whose effect cannot be computed here: the proof is INCONCLUSIVE."""
