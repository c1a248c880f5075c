"""`resynth serve`: preview the site on this machine."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness.errors import UserError


def serve(options: Namespace) -> int:
    """Serve a site folder on localhost until interrupted."""
    site = Path(options.site)
    if not (site / "index.html").is_file():
        raise UserError(f"{site}: there is no site here; build one with `resynth publish`")
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    try:
        server = ThreadingHTTPServer(("127.0.0.1", options.port), handler)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"port {options.port}: cannot be used ({error}); choose another --port"
        ) from error
    with server:
        print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C stops)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")
    return 0
