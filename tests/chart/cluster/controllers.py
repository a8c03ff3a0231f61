"""Controllers of the fake cluster: Deployments make ReplicaSets, these and Jobs make pods, as in Kubernetes."""

import copy
import hashlib
import json
import math
from typing import Any
from uuid import uuid4

from tests.chart.cluster.store import Object, Store

REVISION = "deployment.kubernetes.io/revision"


def reconcile(store: Store) -> None:
    """Take one step towards what the objects say."""
    for deployment in store.all("deployments"):
        _roll(store, deployment)
    for job in store.all("jobs"):
        _run(store, job)


def ready(pod: Object) -> bool:
    """Whether a pod gets connections."""
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod.get("status", {}).get("conditions", ())
    )


def going(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def resolve(value: Any, wanted: int, *, up: bool) -> int:
    """Read a number or a percentage."""
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * wanted / 100
    return math.ceil(share) if up else math.floor(share)


def _roll(store: Store, deployment: Object) -> None:
    """Move towards the newest template without leaving the bounds of the strategy."""
    spec = deployment["spec"]
    wanted = spec.get("replicas", 1)
    rolling = spec["strategy"]["rollingUpdate"]
    surge = resolve(rolling["maxSurge"], wanted, up=True)
    missing = resolve(rolling["maxUnavailable"], wanted, up=False)
    newest = _newest_set(store, deployment)
    live = [pod for each in store.owned("replicasets", deployment) for pod in _live(store, each)]
    new = _live(store, newest)
    old = [pod for pod in live if pod not in new]
    for _ in range(min(wanted - len(new), wanted + surge - len(live))):
        _make_pod(store, newest, newest["spec"]["template"])
    available = sum(map(ready, live))
    for pod in sorted(old, key=ready) + new[wanted:]:
        if ready(pod):
            if available - 1 < wanted - missing:
                continue
            available -= 1
        store.mark_deleted("pods", pod["metadata"]["name"])
    _tell_deployment(store, deployment, newest)


def _live(store: Store, owner: Object) -> list[Object]:
    return [pod for pod in store.owned("pods", owner) if not going(pod)]


def _newest_set(store: Store, deployment: Object) -> Object:
    template = deployment["spec"]["template"]
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
    name = f"{deployment['metadata']['name']}-{digest}"
    sets = store.owned("replicasets", deployment)
    latest = max((int(each["metadata"]["annotations"][REVISION]) for each in sets), default=0)
    found = store.get("replicasets", name)
    if found is not None and int(found["metadata"]["annotations"][REVISION]) == latest:
        return found
    labels = {**template["metadata"]["labels"], "pod-template-hash": digest}
    inner = copy.deepcopy(template)
    inner["metadata"]["labels"] = labels
    made = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {REVISION: str(latest + 1)},
            "ownerReferences": [_owner(deployment)],
        },
        "spec": {"replicas": deployment["spec"].get("replicas", 1), "selector": {}, "template": inner},
    }
    return store.put("replicasets", made)


def _tell_deployment(store: Store, deployment: Object, newest: Object) -> None:
    wanted = deployment["spec"].get("replicas", 1)
    counts = dict.fromkeys(("replicas", "ready"), 0)
    for each in store.owned("replicasets", deployment):
        pods = _live(store, each)
        found = sum(map(ready, pods))
        told = {"replicas": len(pods), "readyReplicas": found, "observedGeneration": 1}
        store.status("replicasets", each["metadata"]["name"], told)
        counts["replicas"] += len(pods)
        counts["ready"] += found
    updated = _live(store, newest)
    done = len(updated) == counts["replicas"] == wanted == sum(map(ready, updated))
    progress = "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"
    status: Object = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": counts["replicas"],
        "updatedReplicas": len(updated),
        "readyReplicas": counts["ready"],
        "availableReplicas": counts["ready"],
        "unavailableReplicas": max(0, wanted - counts["ready"]),
        "conditions": [
            {"type": "Progressing", "status": "True", "reason": progress},
            {"type": "Available", "status": str(counts["ready"] >= wanted), "reason": "MinimumReplicas"},
        ],
    }
    store.status("deployments", deployment["metadata"]["name"], status)


def _run(store: Store, job: Object) -> None:
    """Run pods until one succeeds or too many failed."""
    pods = store.owned("pods", job)
    phases = [pod.get("status", {}).get("phase", "Pending") for pod in pods]
    failed, succeeded = phases.count("Failed"), phases.count("Succeeded")
    active = len(pods) - failed - succeeded
    status: Object = {"startTime": "2026-01-01T00:00:00Z", "failed": failed, "succeeded": succeeded, "active": active}
    if succeeded:
        status["conditions"] = [{"type": "Complete", "status": "True"}]
        status["completionTime"] = "2026-01-01T00:00:02Z"
    elif failed > job["spec"]["backoffLimit"]:
        status["conditions"] = [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]
    elif not active:
        _make_pod(store, job, job["spec"]["template"])
    store.status("jobs", job["metadata"]["name"], status)


def _make_pod(store: Store, owner: Object, template: Object) -> None:
    metadata = copy.deepcopy(template["metadata"])
    metadata |= {
        "name": f"{owner['metadata']['name']}-{uuid4().hex[:5]}",
        "ownerReferences": [_owner(owner)],
    }
    spec = copy.deepcopy(template["spec"])
    store.put("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def _owner(owner: Object) -> Object:
    metadata = owner["metadata"]
    reference = {"kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"], "controller": True}
    return {"apiVersion": owner["apiVersion"], **reference}
