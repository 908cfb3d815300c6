"""Photos for the tests of the data package: generated, tiny, each with its own bytes."""

import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo_root(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def write_photos(photo_root: Path) -> Callable[..., Path]:
    """``write_photos(*paths)`` writes images of 12 x 10 pixels; the ending decides the format."""

    def write(*paths: str) -> Path:
        for path in paths:
            file = photo_root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng(list(path.encode()))
            Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(file)
        return photo_root

    return write


@pytest.fixture
def write_classes(write_photos: Callable[..., Path]) -> Callable[..., Path]:
    """``write_classes("train/", hat=3, top=2)`` writes numbered photos to class folders."""

    def write(prefix: str = "", **counts: int) -> Path:
        return write_photos(
            *(f"{prefix}{name}/{i:03d}.png" for name, n in counts.items() for i in range(n))
        )

    return write


@pytest.fixture
def served() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A web server on this machine: its address, and what it answers by path."""
    answers: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", answers
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clothing() -> Path:
    """The real photos of ten kinds of clothes."""
    root = os.environ.get("EVENHAND_CLOTHING")
    if root is None:
        pytest.skip("EVENHAND_CLOTHING does not say where the photos are")
    return Path(root)
