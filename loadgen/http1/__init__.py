"""A small HTTP/1.1 client for load: persistent connections, one request at a time, every loss counted.

The accuracy of a measurement depends on the cost of a request, so its path is short: a request is encoded
once, httptools parses the answer without a Python call per header, and the head is kept as bytes that are
searched only when a header is needed.
"""

from loadgen.http1.client import Client, Limits
from loadgen.http1.exchange import SECOND, Exchange, clock
from loadgen.http1.exchange import field as field_of
from loadgen.http1.loss import Loss
from loadgen.http1.request import Request
from loadgen.http1.target import Target

__all__ = ["SECOND", "Client", "Exchange", "Limits", "Loss", "Request", "Target", "clock", "field_of"]
