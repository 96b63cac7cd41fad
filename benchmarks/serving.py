"""`python benchmarks/serving.py RUN PICTURES`: a service under load, against predicting the same pictures offline.

Everything shares the machine's cores: the service, the clients, and before that the offline prediction.

* *throughput*: so many clients, each asking again as soon as it is answered; must reach 70% of offline `predict`.
* *latency*: requests come at random (Poisson) at half that rate; the slowest in a hundred must take less than four
  times as long as a request that comes alone.
* *memory*: of the service's process, over 10,000 requests after a warm-up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

BOUNDARY = "unfreeze-benchmark"
WARM_UP, ALONE = 600, 120  # requests
N_OFFLINE = 1000  # pictures, before the service and after it
LEAST_SHARE, MOST_TIMES = 0.7, 4.0
MIB = 1024**2
OFFLINE = """
import sys, time
from pathlib import Path
from unfreeze.predicting import Predictor
run, n, *files = sys.argv[1:]
predictor = Predictor.open(Path(run))
predictor.warm_up()
paths = [Path(file) for file in files]
for _ in predictor.stream(paths): pass
began = time.perf_counter()
found = sum(prediction.error is None for _ in range(int(n)) for prediction in predictor.stream(paths))
print(found / (time.perf_counter() - began))
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was measured; rates in pictures a second, times in seconds, memory in MiB."""

    offline: tuple[float, ...]
    served: float
    alone: float
    half_load_rate: float
    half_load_median: float
    half_load_p99: float
    memory: tuple[float, ...]  # after the warm-up, and after every tenth of the requests
    n_requests: int
    n_clients: int

    @property
    def share(self) -> float:
        """How much of the offline throughput is served."""
        return self.served / statistics.mean(self.offline)

    @property
    def times(self) -> float:
        """How many times as long as a lonely request the slowest in a hundred takes at half load."""
        return self.half_load_p99 / self.alone


def main() -> None:
    """Measure, print, and keep the figures if told where."""
    given = _arguments()
    files = sorted(path for path in given.pictures.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    files = random.Random(0).sample(files, min(given.n_pictures, len(files)))
    rounds = max(1, N_OFFLINE // len(files))
    before = _offline(given.run, files, rounds)
    with _service(given.run) as (address, process_id):
        requests = [_request(address, path) for path in files]
        outcome = asyncio.run(_measure(address, requests, given, lambda: _resident(process_id)))
    offline = (before, _offline(given.run, files, rounds))
    found = Outcome(offline=offline, **outcome)
    _show(found)
    if given.out is not None:
        given.out.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")


async def _measure(
    address: tuple[str, int], requests: Sequence[bytes], given: argparse.Namespace, memory: Callable[[], float]
) -> dict[str, object]:
    await _closed_loop(address, requests, n=WARM_UP, n_clients=given.clients)
    alone = await _closed_loop(address, requests, n=ALONE, n_clients=1)
    sizes, tenth, began = [memory()], given.requests // 10, time.perf_counter()
    for _ in range(10):
        await _closed_loop(address, requests, n=tenth, n_clients=given.clients)
        sizes.append(memory())
    served = 10 * tenth / (time.perf_counter() - began)
    at_half = await _open_loop(address, requests, rate=served / 2, seconds=given.seconds)
    return {
        "served": served,
        "alone": statistics.median(alone),
        "half_load_rate": len(at_half) / given.seconds,
        "half_load_median": statistics.median(at_half),
        "half_load_p99": statistics.quantiles(at_half, n=100)[98],
        "memory": tuple(sizes),
        "n_requests": 10 * tenth,
        "n_clients": given.clients,
    }


async def _closed_loop(address: tuple[str, int], requests: Sequence[bytes], *, n: int, n_clients: int) -> list[float]:
    """Let clients ask one after another, each as soon as it is answered; return the seconds of each request."""
    numbers, seconds = iter(range(n)), list[float]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection(*address)
        for number in numbers:
            seconds.append(await _ask(reader, writer, requests[number % len(requests)]))
        writer.close()

    await asyncio.gather(*(client() for _ in range(n_clients)))
    return seconds


async def _open_loop(
    address: tuple[str, int], requests: Sequence[bytes], *, rate: float, seconds: float
) -> list[float]:
    """Let requests come at random, whether or not earlier ones are answered; return the seconds of each."""
    generator, idle, tasks, found = random.Random(0), list[tuple[asyncio.StreamReader, asyncio.StreamWriter]](), [], []
    loop = asyncio.get_running_loop()
    start = due = loop.time()

    async def one(number: int, due: float) -> None:
        connection = idle.pop() if idle else await asyncio.open_connection(*address)
        await _ask(*connection, requests[number % len(requests)])
        found.append(loop.time() - due)  # from when it should have been sent: a late client must not flatter
        idle.append(connection)

    while (due := due + generator.expovariate(rate)) < start + seconds:
        await asyncio.sleep(max(0.0, due - loop.time()))
        tasks.append(asyncio.create_task(one(len(tasks), due)))
    await asyncio.gather(*tasks)
    for _, writer in idle:
        writer.close()
    return found


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> float:
    began = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    body = await reader.readexactly(int(length[1]) if length else 0)
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"error: the service answered {head.decode()}{body.decode()}")
    return time.perf_counter() - began


def _request(address: tuple[str, int], path: Path) -> bytes:
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'
    body = part.encode() + path.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = (
        f"POST /predict HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _offline(run: Path, files: Sequence[Path], rounds: int) -> float:
    """Return how many pictures a second `predict` does in a process of its own, once its engine is there."""
    command = [sys.executable, "-c", OFFLINE, str(run), str(rounds), *map(str, files)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


@contextmanager
def _service(run: Path) -> Iterator[tuple[tuple[str, int], int]]:
    command = [sys.executable, "-m", "unfreeze.cli", "serve", str(run), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        said = next((line for line in process.stderr or () if "http://" in line), "")
        place = urlsplit(said[said.index("http://") :].split()[0])
        yield (str(place.hostname), int(place.port or 80)), process.pid
    finally:
        process.terminate()
        process.wait(60)


def _resident(process_id: int) -> float:
    """Return the resident memory of a process in MiB (Linux)."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def _show(found: Outcome) -> None:
    first, last = found.memory[0], found.memory[-1]
    print(f"offline predict      {' and '.join(f'{rate:.1f}' for rate in found.offline)} pictures/s")
    share = f"{found.share:.0%} (at least {LEAST_SHARE:.0%})"
    print(f"served, {found.n_clients} clients   {found.served:.1f} pictures/s: {share}")
    print(f"a request alone      {1e3 * found.alone:.1f} ms (median)")
    print(
        f"at half that load    {found.half_load_rate:.1f} requests/s: median {1e3 * found.half_load_median:.1f} ms, "
        f"p99 {1e3 * found.half_load_p99:.1f} ms: {found.times:.1f} times as long (below {MOST_TIMES:g})"
    )
    print(f"memory               {first:.0f} MiB, after {found.n_requests:,} requests {last:.0f} MiB")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the directory of a finished run")
    parser.add_argument("pictures", type=Path, help="a folder of pictures")
    parser.add_argument("--n-pictures", type=int, default=200, help="how many of them [default: 200]")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=10_000, help="for throughput and memory")
    parser.add_argument("--seconds", type=float, default=20.0, help="at half load")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
