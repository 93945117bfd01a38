"""A voice device: speaks to a server and hears the answer."""

from opuscule.client.client import Client, connect
from opuscule.client.report import Latency, TalkReport

__all__ = ["Client", "Latency", "TalkReport", "connect"]
