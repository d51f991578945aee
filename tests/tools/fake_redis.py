#!/usr/bin/env python3
"""A stand-in for redis-server: reads its settings, listens, and knows AUTH, PING and SHUTDOWN.

FAKE_REDIS makes it misbehave: `fail` (says why and ends), `version:X` (another one).
"""

import os
import socketserver
import sys
import threading


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        known = False
        for line in self.rfile:
            word, _, rest = line.decode().strip().partition(" ")
            if word == "AUTH":
                known = rest == self.server.password
                answer = "+OK" if known else "-WRONGPASS"
            elif word == "SHUTDOWN" and known:
                print("User requested shutdown...", flush=True)
                os._exit(0)
            else:
                answer = "+PONG" if known else "-NOAUTH"
            self.wfile.write(f"{answer}\r\n".encode())


def main():
    wish, _, detail = os.environ.get("FAKE_REDIS", "").partition(":")
    if sys.argv[1:] == ["--version"]:
        print(f"Redis server v={detail or '9.8.7'} sha=00000000:0")
        return 0
    if wish == "fail":
        print("FATAL CONFIG FILE ERROR in /etc/secret: out of luck")
        return 1
    with open(sys.argv[1]) as stream:
        settings = dict(line.split(None, 1) for line in stream)
    path = eval("b" + settings["unixsocket"]).decode()  # its escapes are Python's
    address = (settings["bind"].strip(), int(settings["port"]))
    servers = [
        socketserver.ThreadingUnixStreamServer(path, Handler),
        socketserver.ThreadingTCPServer(address, Handler),
    ]
    for server in servers:
        server.daemon_threads = True
        server.password = settings["requirepass"].strip()
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
