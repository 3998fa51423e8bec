"""A small HTTP/1.1 client for load: kept-alive connections, one request at a time, every loss counted.

The cost of one request decides what the measurement can be trusted with, so the path of a request is
short: bytes are encoded once and sent as they are, httptools parses the answer without a Python call
per header, and the head is kept as bytes that are only looked into when somebody asks.
"""

from loadgen.http1.client import Client, Limits
from loadgen.http1.exchange import SECOND, Exchange, clock
from loadgen.http1.loss import Loss
from loadgen.http1.request import Request
from loadgen.http1.target import Target

__all__ = ["SECOND", "Client", "Exchange", "Limits", "Loss", "Request", "Target", "clock"]
