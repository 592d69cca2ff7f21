"""The queue of a self-hosted server, from its Prometheus page."""

import re

import httpx

_LINE = re.compile(
    r"^(?:vllm|sglang):num_(requests_waiting|requests_running|queue_reqs|running_reqs)(?:\{[^}]*\})? (\S+)$", re.M
)
"""vLLM's documentation "Production metrics" and SGLang's of the same name name them so; one line an engine."""
_WAITING, _RUNNING = ("requests_waiting", "queue_reqs"), ("requests_running", "running_reqs")


async def read_queue(client: httpx.AsyncClient, url: str) -> tuple[float, float] | None:
    """Requests that wait and that run; None where the server has no such page, or does not answer."""
    try:
        response = await client.get(url)
    except httpx.HTTPError:
        return None
    return parse_queue(response.text) if response.status_code == 200 else None


def parse_queue(page: str) -> tuple[float, float] | None:
    """Requests that wait and that run, over all engines of a Prometheus text page; None if it does not say."""
    found = [(name, float(value)) for name, value in _LINE.findall(page)]
    if not found:
        return None
    waiting = sum(value for name, value in found if name in _WAITING)
    return waiting, sum(value for name, value in found if name in _RUNNING)
