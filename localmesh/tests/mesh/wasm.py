"""A module of WebAssembly for proxies, assembled by hand: no compiler is needed.

It implements Proxy-Wasm 0.2.1 as far as Envoy requires it, and adds one header to each answer, whose value is
the configuration of the plugin.
"""

from __future__ import annotations

from collections.abc import Sequence

_I32 = 0x7F
_RESPONSE_HEADERS = 2
_PLUGIN_CONFIGURATION = 7
_NAME_AT, _POINTER_AT, _LENGTH_AT, _FREE_AT = 16, 0, 4, 1024


def header_module(header: str) -> bytes:
    """A module that adds `header` to each answer."""
    types = [_type(0, 0), _type(1, 1), _type(2, 0), _type(2, 1), _type(3, 1), _type(5, 1)]
    nothing, allocate, create, start, headers, five = range(6)
    imports = [("proxy_add_header_map_value", five), ("proxy_get_buffer_bytes", five)]
    add_header, get_buffer = 0, 1
    bodies = {
        "proxy_abi_version_0_2_1": (nothing, b""),
        # the memory is never given back: a module lives as long as its configuration
        "proxy_on_memory_allocate": (
            allocate,
            _global_get(0) + _global_get(0) + _local_get(0) + b"\x6a" + _global_set(0),
        ),
        "proxy_on_context_create": (create, b""),
        "proxy_on_vm_start": (start, _const(1)),
        "proxy_on_configure": (
            start,
            _const(_PLUGIN_CONFIGURATION)
            + _const(0)
            + _local_get(1)
            + _const(_POINTER_AT)
            + _const(_LENGTH_AT)
            + _call(get_buffer)
            + b"\x45",  # 0 means OK; 1 is returned for it
        ),
        "proxy_on_response_headers": (
            headers,
            _const(_RESPONSE_HEADERS)
            + _const(_NAME_AT)
            + _const(len(header))
            + _load(_POINTER_AT)
            + _load(_LENGTH_AT)
            + _call(add_header)
            + b"\x1a"
            + _const(0),
        ),
    }
    exports = [_text(name) + b"\x00" + _number(len(imports) + index) for index, name in enumerate(bodies)]
    codes = [_sized(b"\x00" + body + b"\x0b") for _, body in bodies.values()]
    sections = (
        (1, types),
        (2, [_text("env") + _text(name) + b"\x00" + _number(kind) for name, kind in imports]),
        (3, [_number(kind) for kind, _ in bodies.values()]),
        (5, [b"\x00\x01"]),  # one page of memory
        (6, [bytes([_I32, 1]) + _const(_FREE_AT) + b"\x0b"]),
        (7, [*exports, _text("memory") + b"\x02\x00"]),
        (10, codes),
        (11, [b"\x00" + _const(_NAME_AT) + b"\x0b" + _text(header)]),
    )
    return b"\x00asm\x01\x00\x00\x00" + b"".join(
        bytes([number]) + _sized(_number(len(items)) + b"".join(items)) for number, items in sections
    )


def _type(parameters: int, results: int) -> bytes:
    return b"\x60" + _vector([_I32] * parameters) + _vector([_I32] * results)


def _vector(values: Sequence[int]) -> bytes:
    return _number(len(values)) + bytes(values)


def _text(text: str) -> bytes:
    return _sized(text.encode())


def _sized(content: bytes) -> bytes:
    return _number(len(content)) + content


def _number(value: int, *, signed: bool = False) -> bytes:
    """A number in LEB128."""
    encoded = bytearray()
    limit = 0x40 if signed else 0x80
    while value >= limit:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _const(value: int) -> bytes:
    return b"\x41" + _number(value, signed=True)


def _local_get(index: int) -> bytes:
    return b"\x20" + _number(index)


def _global_get(index: int) -> bytes:
    return b"\x23" + _number(index)


def _global_set(index: int) -> bytes:
    return b"\x24" + _number(index)


def _load(address: int) -> bytes:
    return _const(address) + b"\x28\x02\x00"


def _call(index: int) -> bytes:
    return b"\x10" + _number(index)
