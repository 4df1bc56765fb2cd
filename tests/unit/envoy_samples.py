"""What the admin interface of a gateway's Envoy says: recorded from Istio 1.31 (the demo at rest), and cut down.

What is left out is what nobody here reads: retry policies, tracing, circuit breakers, filters before the last one.
The functions fill the same forms with other routes, weights and counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

ROUTES: Json = {
    "configs": [
        {
            "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump.DynamicRouteConfig",
            "route_config": {
                "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
                "name": "http.80",
                "virtual_hosts": [
                    {
                        "name": "*.rollouts-demo-vsvc1.bookinfo.com:80",
                        "domains": ["*.rollouts-demo-vsvc1.bookinfo.com"],
                        "routes": [
                            {
                                "match": {"prefix": "/"},
                                "route": {
                                    "weighted_clusters": {
                                        "clusters": [
                                            {
                                                "name": "outbound|15372||rollouts-demo-stable.default"
                                                ".svc.cluster.local",
                                                "weight": 100,
                                            }
                                        ]
                                    },
                                    "timeout": "0s",
                                    "max_grpc_timeout": "0s",
                                },
                                "metadata": {
                                    "filter_metadata": {
                                        "istio": {
                                            "config": "/apis/networking.istio.io/v1/namespaces/default/virtual-service/"
                                            "rollouts-demo-vsvc1"
                                        }
                                    }
                                },
                                "decorator": {"operation": "rollouts-demo-vsvc1:80/*"},
                                "name": "primary",
                            }
                        ],
                        "include_request_attempt_count": True,
                    },
                    {
                        "name": "*.rollouts-demo-vsvc2.bookinfo.com:80",
                        "domains": ["*.rollouts-demo-vsvc2.bookinfo.com"],
                        "routes": [
                            {
                                "match": {"prefix": "/"},
                                "route": {
                                    "weighted_clusters": {
                                        "clusters": [
                                            {
                                                "name": "outbound|15373||rollouts-demo-stable.default"
                                                ".svc.cluster.local",
                                                "weight": 100,
                                            }
                                        ]
                                    },
                                    "timeout": "0s",
                                },
                                "name": "secondary",
                            }
                        ],
                    },
                ],
                "validate_clusters": False,
                "ignore_port_in_host_matching": True,
            },
            "last_updated": "2026-11-23T14:02:59.449Z",
        }
    ]
}

LISTENERS: Json = {
    "configs": [
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump.DynamicListener",
            "name": "0.0.0.0_80",
            "active_state": {
                "listener": {
                    "name": "0.0.0.0_80",
                    "address": {"socket_address": {"address": "0.0.0.0", "port_value": 80}},
                    "filter_chains": [
                        {
                            "filters": [
                                {
                                    "name": "envoy.filters.network.http_connection_manager",
                                    "typed_config": {"rds": {"route_config_name": "http.80"}},
                                }
                            ],
                            "transport_socket_connect_timeout": "15s",
                        }
                    ],
                    "traffic_direction": "OUTBOUND",
                },
                "last_updated": "2026-11-23T14:02:59.447Z",
            },
        },
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump.DynamicListener",
            "name": "0.0.0.0_3000",
            "active_state": {
                "listener": {
                    "name": "0.0.0.0_3000",
                    "address": {"socket_address": {"address": "0.0.0.0", "port_value": 3000}},
                    "filter_chains": [
                        {
                            "filter_chain_match": {"server_names": ["reviews.rollouts-demo-vsvc1.bookinfo.com"]},
                            "filters": [
                                {
                                    "name": "envoy.filters.network.tcp_proxy",
                                    "typed_config": {
                                        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3"
                                        ".TcpProxy",
                                        "stat_prefix": "rollouts-demo-vsvc1.default",
                                        "weighted_clusters": {
                                            "clusters": [
                                                {
                                                    "name": "outbound|3000||rollouts-demo-stable.default"
                                                    ".svc.cluster.local",
                                                    "weight": 100,
                                                }
                                            ]
                                        },
                                    },
                                }
                            ],
                            "transport_socket_connect_timeout": "15s",
                        }
                    ],
                    "listener_filters": [{"name": "envoy.filters.listener.tls_inspector"}],
                    "traffic_direction": "OUTBOUND",
                },
                "last_updated": "2026-11-23T14:02:59.447Z",
            },
        },
    ]
}

CLUSTERS: Json = {
    "cluster_statuses": [
        {
            "name": "xds-grpc",
            "host_statuses": [
                {
                    "address": {"pipe": {"path": "./etc/istio/proxy/XDS"}},
                    "health_status": {"eds_health_status": "HEALTHY"},
                    "weight": 1,
                }
            ],
        },
        {"name": "BlackHoleCluster", "added_via_api": True},
        {
            "name": "outbound|15372||rollouts-demo-stable.default.svc.cluster.local",
            "added_via_api": True,
            "host_statuses": [
                {
                    "address": {"socket_address": {"address": "10.210.64.5", "port_value": 8080}},
                    "stats": [
                        {"name": "cx_connect_fail"},
                        {"value": "16", "name": "cx_total"},
                        {"name": "rq_error"},
                        {"value": "200", "name": "rq_success"},
                        {"name": "rq_timeout"},
                        {"value": "200", "name": "rq_total"},
                        {"type": "GAUGE", "value": "16", "name": "cx_active"},
                        {"type": "GAUGE", "name": "rq_active"},
                    ],
                    "health_status": {"eds_health_status": "HEALTHY"},
                    "weight": 1,
                    "locality": {},
                }
            ],
            "eds_service_name": "outbound|15372||rollouts-demo-stable.default.svc.cluster.local",
        },
        {
            "name": "outbound|15372||rollouts-demo-canary.default.svc.cluster.local",
            "added_via_api": True,
            "host_statuses": [
                {
                    "address": {"socket_address": {"address": "10.210.64.5", "port_value": 8080}},
                    "stats": [{"name": "cx_total"}, {"name": "rq_error"}, {"name": "rq_total"}],
                    "health_status": {"eds_health_status": "HEALTHY"},
                    "weight": 1,
                    "locality": {},
                }
            ],
        },
    ]
}


def cluster(service: str, port: int = 80, subset: str = "") -> str:
    """Envoy's name for a Service of the namespace default."""
    return f"outbound|{port}|{subset}|{service}.default.svc.cluster.local"


def weighted(weights: Mapping[str, int]) -> Json:
    """Where a route or a tcp proxy goes to. Istio leaves out what gets nothing."""
    return {
        "weighted_clusters": {"clusters": [{"name": name, "weight": each} for name, each in weights.items() if each]}
    }


def mirrored(name: str, percent: int) -> Json:
    fraction = {"default_value": {"numerator": percent * 10_000, "denominator": "MILLION"}}
    return {"cluster": name, "runtime_fraction": fraction}


def http_route(action: Json, **match: Any) -> Json:
    return {"match": {"prefix": "/", **match}, "route": {**action, "timeout": "0s"}}


def with_header(name: str, value: str) -> Json:
    return {"name": name, "string_match": {"exact": value}}


def routes(virtual_hosts: Mapping[str, list[Json]]) -> Json:
    """A dump of routes by domain."""
    hosts = [{"name": f"{domain}:80", "domains": [domain], "routes": each} for domain, each in virtual_hosts.items()]
    return {"configs": [{"route_config": {"name": "http.80", "virtual_hosts": hosts}}]}


def listeners(chains: Mapping[str, Json]) -> Json:
    """A dump of two listeners: 80 with the routes, 3000 with chains that pass bytes on, by server name."""
    found = [
        {
            "filter_chain_match": {"server_names": [name]},
            "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": action}],
        }
        for name, action in chains.items()
    ]
    manager = {"name": "envoy.filters.network.http_connection_manager"}
    requests = {"filters": [{**manager, "typed_config": {"rds": {"route_config_name": "http.80"}}}]}
    return {"configs": [_listener(80, [requests]), _listener(3000, found)]}


def _listener(port: int, chains: list[Json]) -> Json:
    address = {"socket_address": {"address": "0.0.0.0", "port_value": port}}
    return {"active_state": {"listener": {"name": f"0.0.0.0_{port}", "address": address, "filter_chains": chains}}}


def clusters(endpoints: Mapping[str, Iterable[Json]]) -> Json:
    return {"cluster_statuses": [{"name": name, "host_statuses": list(each)} for name, each in endpoints.items()]}


def endpoint(address: str, *, requests: int = 0, connections: int = 0, healthy: bool = True) -> Json:
    """An address of a cluster. A counter that is 0 has no value."""
    counted = {"rq_total": requests, "cx_total": connections}
    return {
        "address": {"socket_address": {"address": address, "port_value": 8080}},
        "stats": [{"name": name, **({"value": str(each)} if each else {})} for name, each in counted.items()],
        "health_status": {"eds_health_status": "HEALTHY" if healthy else "UNHEALTHY"},
        "weight": 1,
    }
