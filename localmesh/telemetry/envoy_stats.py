"""The statistics of an Envoy, and the labels that they have in Prometheus."""

from __future__ import annotations

from typing import Any

# The name of a cluster contains dots: it ends where a prefix of statistics begins, which no host contains.
_FAMILIES = (
    r"(?:external\.|internal\.|retry\.)?upstream_|circuit_breakers\.|outlier_detection\.|membership_|lb_"
)
_TAGS = {
    "envoy.cluster_name": rf"^cluster\.((.+?)\.)(?:{_FAMILIES})",
    "envoy.response_code": r"_rq(_(\d{3}))$",
    "envoy.response_code_class": r"_rq_((\d))xx$",
    "envoy.http_conn_manager_prefix": r"^http\.((.+?)\.)(?:downstream_|rq_)",
}
"""Labels and patterns: the first group is removed from the name, the second is the value of the label."""


_UNREAD = (
    *("assignment_", "bind_errors", "circuit_breakers", "client_ssl_", "default", "external", "http[123]"),
    *("init_fetch_timeout", "internal", "lb_", "max_host_weight", "membership_", "original_dst_"),
    *("outlier_detection", "ssl", "tls", "tcp_", "upstream_(?:flow|http|internal)_", "update_"),
    "upstream_cx_(?:[^rt]|total|[rt]x_bytes_buffered)",
    *("version", "warming_state", "zone"),
)
"""How statistics of an outbound cluster begin that nothing reads here: others than requests and bytes."""


def stats_config(*, of_each_cluster: bool) -> dict[str, Any]:
    """The bootstrap's `stats_config`: all statistics of outbound clusters, or those of requests and bytes.

    With 1,000 Services the others take most of the memory; those that are kept exist for clusters that are
    called. The name of the cluster is a label where all are kept.
    """
    if of_each_cluster:
        tags = [{"tag_name": name, "regex": pattern} for name, pattern in _TAGS.items()]
        return {"use_all_default_tags": False, "stats_tags": tags}
    unread = rf"cluster\.outbound\|.+\.(?:{'|'.join(_UNREAD)}).*"
    excluded = {"exclusion_list": {"patterns": [{"safe_regex": {"regex": unread}}]}}
    return {"use_all_default_tags": False, "stats_matcher": excluded}
