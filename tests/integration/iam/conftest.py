"""A bouncer in this process, for tests with real outside providers."""

from tests.unit.iam.conftest import bouncer

__all__ = ["bouncer"]
