"""Why something of a user's cannot be read or timed, as a child process tells it."""


class RefusedError(Exception):
    """Why there is no answer, as rule, value received and remedy."""

    def __init__(self, rule: str, received: object, remedy: str) -> None:
        super().__init__(rule)
        self.told = {"rule": rule, "received": str(received), "remedy": remedy}
