#!/usr/bin/env python3
"""Loads a deployed Flotilla until its autoscaler has the most replicas, and watches it go back to the fewest.

    scaling.py URL

A second, light load goes on from the beginning to the end, so that there are answers to be cut in both directions. Exit
status 1 when one was, when the replicas do not come or go, or when a pod was taken away that wrote more answers than one that
was left. It needs kubectl, KUBECONFIG and Python.
"""

import json
import pathlib
import signal
import subprocess
import sys
import time

STREAMS = str(pathlib.Path(__file__).with_name("streams.py"))
COST = "controller.kubernetes.io/pod-deletion-cost"
# By CPU, answers that go on all the time are a load; by the queue they are what must not be cut.
LIGHT = {"Resource": ["--streams", "2", "--tokens", "16", "--pause", "5"], "External": ["--streams", "2", "--tokens", "512"]}
HEAVY = ["--streams", "16", "--tokens", "64"]
# Two minutes of agreement, then a pod a minute; the rest is the pods' own end.
PATIENCE = 900


def get(what):
    command = ["kubectl", "--namespace", "llm-as-a-service", "get", "--output", "json", *what.split()]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def autoscaler():
    return get("horizontalpodautoscaler backend")


class Streams:
    """Chats that go on until they are told to stop."""

    def __init__(self, url, options):
        command = [sys.executable, STREAMS, url, "--seconds", "36000", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def end(self):
        """What came of them; `cut` is the number that counts."""
        self.process.send_signal(signal.SIGTERM)
        return json.loads(self.process.communicate()[0])


class Pods:
    """The backend's pods from one look to the next."""

    def __init__(self):
        self.costs, self.leaving, self.taken = {}, set(), []

    def look(self):
        pods = get("pods --selector app.kubernetes.io/name=backend")["items"]
        leaving = {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]}
        for name in leaving - self.leaving:
            left = [cost for other, cost in self.costs.items() if other not in leaving]
            self.taken.append({"pod": name, "answers": self.costs.get(name), "answers_of_those_left": sorted(left)})
        self.leaving |= leaving
        self.costs = {
            pod["metadata"]["name"]: int(pod["metadata"].get("annotations", {}).get(COST, 0))
            for pod in pods
            if pod["metadata"]["name"] not in self.leaving
        }


def wait_for(replicas, pods):
    """Seconds until the autoscaler wanted them, and until they were there."""
    began, wanted = time.monotonic(), None
    while time.monotonic() - began < PATIENCE:
        pods.look()
        status = autoscaler()["status"]
        if wanted is None and status["desiredReplicas"] == replicas:
            wanted = round(time.monotonic() - began)
        ready = get("deployment backend")["status"].get("readyReplicas", 0)
        if wanted is not None and status.get("currentReplicas") == ready == replicas:
            return {"replicas": replicas, "wanted_after_seconds": wanted, "ready_after_seconds": round(time.monotonic() - began)}
        time.sleep(1)
    sys.exit(f"There were not {replicas} replicas within {PATIENCE} s: {json.dumps(autoscaler()['status'], indent=1)}")


def main():
    url = sys.argv[1]
    spec = autoscaler()["spec"]
    pods = Pods()
    light = Streams(url, LIGHT[spec["metrics"][0]["type"]])
    heavy = Streams(url, HEAVY)
    out = wait_for(spec["maxReplicas"], pods)
    loads = [heavy.end()]
    back = wait_for(spec["minReplicas"], pods)
    loads.append(light.end())
    report = {
        "out": out,
        "back": back,
        "taken_away": pods.taken,
        "whole": sum(load["whole"] for load in loads),
        "cut": sum(load["cut"] for load in loads),
        "cuts": [cut for load in loads for cut in load["cuts"]],
    }
    print(json.dumps(report, indent=1))
    busy = [taken for taken in pods.taken if taken["answers"] and taken["answers"] > min(taken["answers_of_those_left"])]
    sys.exit(1 if report["cut"] or busy else 0)


if __name__ == "__main__":
    main()
