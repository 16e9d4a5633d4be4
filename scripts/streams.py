#!/usr/bin/env python3
"""Holds many chats at once against a running Flotilla and counts the answers that were cut.

    streams.py URL [--streams 50] [--seconds 60] [--api v1|runs] [--tokens 64] [--pause 0]

Each stream asks again when its answer has ended and the pause is over, until the seconds are over or SIGTERM comes; with no seconds it asks
once. `v1` reads one connection from the first byte to [DONE]. `runs` follows an answer as the browser does: where the
connection breaks it comes back with the number of the last event, and the answer is whole when no number is missing.
Exit status 1 when an answer was cut. It needs nothing but Python.
"""

import argparse
import http.client
import json
import signal
import sys
import threading
import time
from urllib.parse import urlsplit

PROMPT = "Write a long story about a small boat."


class Refused(Exception):
    """The server answered with an error before the first byte of the answer."""


class Cut(Exception):
    """The answer broke off."""


class Chats:
    def __init__(self, options):
        self.options = options
        self.url = urlsplit(options.url)
        self.lock = threading.Lock()
        self.whole, self.cut, self.refused, self.resumed = 0, [], [], 0
        self.first, self.duration, self.pieces = [], [], []

    def run(self):
        self.until = time.monotonic() + self.options.seconds
        signal.signal(signal.SIGTERM, self.ask_no_more)
        threads = [threading.Thread(target=self.stream) for _ in range(self.options.streams)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def ask_no_more(self, _signal, _frame):
        self.until = 0

    def stream(self):
        ask = {"v1": self.ask_v1, "runs": self.ask_run}[self.options.api]
        while True:
            try:
                ask()
            except Refused as error:
                self.note(self.refused, str(error))
                time.sleep(1)  # As clients do that are told to come back.
            except (Cut, OSError, http.client.HTTPException) as error:
                self.note(self.cut, f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {error}")
            resume = time.monotonic() + self.options.pause
            while time.monotonic() < min(resume, self.until):
                time.sleep(0.1)
            if time.monotonic() >= self.until:
                return

    def note(self, where, what):
        with self.lock:
            where.append(what)

    def request(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port or 80, timeout=300)
        headers = {"content-type": "application/json", **dict(headers)}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        if response.status >= 400:
            raise Refused(f"{response.status} {response.read(300).decode(errors='replace')}")
        return response

    @staticmethod
    def events(response):
        """The events of a stream: number and data."""
        number = None
        for line in response:
            line = line.decode().rstrip("\n")
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("data: "):
                yield number, line[6:]

    def finished(self, started, times):
        with self.lock:
            self.whole += 1
            self.pieces.append(len(times))
            if times:
                self.first.append(times[0] - started)
                self.duration.append(times[-1] - times[0])

    def ask_v1(self):
        started, times = time.monotonic(), []
        body = {"messages": [{"role": "user", "content": PROMPT}], "stream": True, "max_tokens": self.options.tokens}
        for _, data in self.events(self.request("POST", "/v1/chat/completions", body)):
            if data == "[DONE]":
                return self.finished(started, times)
            chunk = json.loads(data)
            if "error" in chunk:
                if not times:
                    raise Refused(data)
                raise Cut(f"after {len(times)} pieces: {data}")
            if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                times.append(time.monotonic())
        raise Cut(f"the stream ended after {len(times)} pieces, without [DONE]")

    def ask_run(self):
        started, times, seen = time.monotonic(), [], 0
        conversation = json.load(self.request("POST", "/api/conversations", {"parameters": {"max_tokens": self.options.tokens}}))
        path = f"/api/conversations/{conversation['id']}/messages"
        run = json.load(self.request("POST", path, {"content": PROMPT}))["run_id"]
        for attempt in range(60):
            if attempt:
                time.sleep(0.5)
                with self.lock:
                    self.resumed += 1
            try:
                for number, data in self.events(self.request("GET", f"/api/runs/{run}/events?after={seen}")):
                    event = json.loads(data)
                    if number != seen + 1 and event["type"] != "resumed":
                        raise Cut(f"event {number} came after event {seen}")
                    seen = number
                    if event["type"] == "delta":
                        times.append(time.monotonic())
                    if event["type"] == "failed":
                        error = event["message"]["error"]
                        if not times:
                            raise Refused(str(error))
                        raise Cut(f"after {len(times)} pieces: {error}")
                    if event["type"] == "finished":
                        return self.finished(started, times)
            except (OSError, http.client.HTTPException):
                continue
        raise Cut(f"the run did not end; {seen} events came")


def middle(numbers):
    return round(sorted(numbers)[len(numbers) // 2], 3) if numbers else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--api", choices=["v1", "runs"], default="v1")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--pause", type=float, default=0)
    chats = Chats(parser.parse_args())
    chats.run()
    print(json.dumps({
        "whole": chats.whole,
        "cut": len(chats.cut),
        "refused": len(chats.refused),
        "resumed": chats.resumed,
        "pieces_median": middle(chats.pieces),
        "first_piece_seconds_median": middle(chats.first),
        "first_to_last_piece_seconds_median": middle(chats.duration),
        "cuts": chats.cut[:10],
        "refusals": sorted(set(chats.refused))[:5],
    }, indent=1))
    sys.exit(1 if chats.cut or not chats.whole else 0)


if __name__ == "__main__":
    main()
