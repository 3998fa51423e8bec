"""A small HTTP/1.1 client for load: kept-alive connections, one request at a time, every loss counted.

The cost of one request decides what the measurement can be trusted with, so the path of a request is
short: bytes are encoded once and sent as they are, httptools parses the answer without a Python call
per header, and the head is kept as bytes that are only looked into when somebody asks.
"""

from loadgen.http.client import Client, Limits
from loadgen.http.exchange import Exchange, clock
from loadgen.http.loss import Loss
from loadgen.http.request import Request
from loadgen.http.target import Target

__all__ = ["Client", "Exchange", "Limits", "Loss", "Request", "Target", "clock"]
