"""What an Envoy counts, and how its counters are named where Prometheus reads them."""

from __future__ import annotations

from typing import Any

# A cluster's name has dots of its own: it ends where statistics begin that no name of a host can contain.
_FAMILIES = (
    r"(?:external\.|internal\.|retry\.)?upstream_|circuit_breakers\.|outlier_detection\.|membership_|lb_"
)
_TAGS = {
    "envoy.cluster_name": rf"^cluster\.((.+?)\.)(?:{_FAMILIES})",
    "envoy.response_code": r"_rq(_(\d{3}))$",
    "envoy.response_code_class": r"_rq_((\d))xx$",
    "envoy.http_conn_manager_prefix": r"^http\.((.+?)\.)(?:downstream_|rq_)",
}
"""Label and pattern: the first group is cut out of the name, the second is the label's value."""


def stats_config(*, of_each_cluster: bool) -> dict[str, Any]:
    """The bootstrap's `stats_config`; with the counters of each outbound cluster, or without as in Istio.

    With 1,000 Services they take most of the memory. With them the name of the cluster is a label.
    """
    if of_each_cluster:
        tags = [{"tag_name": name, "regex": pattern} for name, pattern in _TAGS.items()]
        return {"use_all_default_tags": False, "stats_tags": tags}
    without = {"exclusion_list": {"patterns": [{"prefix": "cluster.outbound|"}]}}
    return {"use_all_default_tags": False, "stats_matcher": without}
