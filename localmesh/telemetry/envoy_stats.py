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


def stats_config(*, of_each_cluster: bool) -> dict[str, Any]:
    """The bootstrap's `stats_config`, with statistics of each outbound cluster, or without as in Istio.

    With 1,000 Services they take most of the memory. The name of the cluster is a label.
    """
    if of_each_cluster:
        tags = [{"tag_name": name, "regex": pattern} for name, pattern in _TAGS.items()]
        return {"use_all_default_tags": False, "stats_tags": tags}
    without = {"exclusion_list": {"patterns": [{"prefix": "cluster.outbound|"}]}}
    return {"use_all_default_tags": False, "stats_matcher": without}
