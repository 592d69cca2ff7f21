"""The OpenAI-compatible batch API over HTTP: files up and down, batches made, looked at and listed.

Every call but one may be repeated, so it is, for as long as the teacher's patience lasts. Making a batch may not: the
caller looks whether it is there first.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson

from tasks.ask.batch_lines import Listing, ProviderBatch, file_name, read_batch
from tasks.ask.call import TeacherCall
from tasks.ask.client import TROUBLE, what_was_lost
from tasks.ask.journal import blotted
from tasks.ask.outcomes import RETRY_CAP_S, backoff, outcome_of_status
from tasks.ask.reply import retry_after
from warehouse.errors import RunFailed
from warehouse.parts import unwritable

PAGE = 100
"""Objects on a page of a list: the most that OpenAI gives of batches (API reference, 2026-11)."""
KEPT_S = 31 * 86_400
"""Files of batches are kept for 30 days (OpenAI's guide, 2026-11), so nothing is to be had of an older batch."""


class MaybeMade(Exception):
    """The request to make a batch brought no answer that says whether there is one now."""


class BatchApi:
    """One teacher's batch API."""

    def __init__(self, call: TeacherCall, client: httpx.AsyncClient, rng: random.Random) -> None:
        self._call, self._client, self._rng = call, client, rng
        self._base = call.teacher.base_url.rstrip("/")
        self._headers = {"authorization": f"Bearer {call.api_key}"} if call.api_key else {}

    async def upload(self, path: Path, key: str) -> str:
        """Upload a file of lines, unless a file of that name is there; returns its id."""

        async def send() -> httpx.Response:
            with path.open("rb") as file:
                files = {"file": (file_name(key), file, "application/jsonl")}
                url = f"{self._base}/files"
                return await self._client.post(url, headers=self._headers, data={"purpose": "batch"}, files=files)

        found = await self._uploaded(key)
        if found is not None:
            return found
        try:
            document = await self._json("upload a file", send)
        except NoSuchPage as error:
            raise self._no_api(error) from error
        return str(document["id"])

    async def _uploaded(self, key: str) -> str | None:
        """The id of the file that an earlier run uploaded for this submission."""
        try:
            async for file in self._listed("files", {"purpose": "batch"}):
                if file.get("filename") == file_name(key):
                    return str(file["id"])
        except NoSuchPage:
            return None  # a server without a list of files: uploading again costs nothing
        return None

    async def make(self, file_id: str, endpoint: str, window: str, metadata: Mapping[str, str]) -> ProviderBatch:
        """Make a batch; asked once.

        Raises:
            MaybeMade: there may be one now.
            RunFailed: the provider refuses it, or the account; the message says why.
        """
        asked = {"input_file_id": file_id, "endpoint": endpoint, "completion_window": window, "metadata": metadata}
        url = f"{self._base}/batches"
        try:
            response = await self._client.post(url, headers=self._headers, json=asked)
        except TROUBLE as trouble:
            raise MaybeMade(what_was_lost(trouble).error) from trouble
        if response.status_code == 429 or response.status_code >= 500:
            raise MaybeMade(self._said(response))
        try:
            return self._batch(self._checked("make a batch", response))
        except NoSuchPage as error:
            raise self._no_api(error) from error

    async def look(self, batch_id: str) -> ProviderBatch | None:
        """A batch as it stands; None where the provider does not know it."""
        try:
            document = await self._json("look at a batch", lambda: self._get(f"batches/{batch_id}"))
        except NoSuchPage:
            return None
        return self._batch(document)

    async def listing(self, now: float) -> Listing:
        """Every batch of the account of which there is still something to be had."""
        found = Listing()
        try:
            async for document in self._listed("batches", {}):
                batch = self._batch(document)
                if batch.created_at >= now - KEPT_S:
                    found.add(batch)
        except NoSuchPage as error:
            raise self._no_api(error) from error
        return found

    async def download(self, file_id: str, path: Path) -> bool:
        """Write a file's content to `path`, less the key; False where the provider no longer has it."""

        async def get() -> httpx.Response:
            request = self._client.build_request("GET", f"{self._base}/files/{file_id}/content", headers=self._headers)
            response = await self._client.send(request, stream=True)
            try:
                if response.status_code != 200:
                    await response.aread()
                    return response
                await self._store(response, path)
            finally:
                await response.aclose()
            return httpx.Response(200, content=b"{}")

        try:
            await self._json("download a file", get)
        except NoSuchPage:
            return False
        return True

    async def _store(self, response: httpx.Response, path: Path) -> None:
        with path.open("wb") as file:
            async for line in _lines(response):
                try:
                    file.write(blotted(line, self._call.api_key))
                except OSError as error:  # of the disk; one of the network has another way out
                    raise RunFailed(unwritable(path, error)) from error

    async def _listed(self, page: str, query: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        after: dict[str, str] = {}
        while True:
            asked = {**query, "limit": str(PAGE), **after}
            document = await self._json(f"list {page}", partial(self._get, page, asked))
            rows = [row for row in document.get("data") or () if isinstance(row, dict)]
            for row in rows:
                yield row
            if not rows or not document.get("has_more"):
                return
            after = {"after": str(document.get("last_id") or rows[-1].get("id"))}

    async def _get(self, page: str, query: Mapping[str, str] | None = None) -> httpx.Response:
        return await self._client.get(f"{self._base}/{page}", headers=self._headers, params=query)

    async def _json(self, what: str, send: Callable[[], Awaitable[httpx.Response]]) -> dict[str, Any]:
        """Send until there is an answer that does not say "later"; RunFailed once patience is at its end."""
        began, tries = time.monotonic(), 0
        while True:
            try:
                response = await send()
            except TROUBLE as trouble:
                problem, wait = what_was_lost(trouble).error, 0.0
            else:
                if outcome_of_status(response.status_code) not in ("rate_limited", "overloaded"):
                    return self._checked(what, response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                problem, wait = self._said(response), retry_after(headers, datetime.now(UTC)) or 0.0
            tries += 1
            wait = max(wait, backoff(tries, self._rng))
            if time.monotonic() - began + wait > self._call.patience_s:
                raise RunFailed(f"{self._call.label} does not let us {what} ({problem}): run again, nothing is lost")
            await asyncio.sleep(min(wait, RETRY_CAP_S))

    def _checked(self, what: str, response: httpx.Response) -> dict[str, Any]:
        status = response.status_code
        if status in (404, 405):
            raise NoSuchPage(f"{status} to {what}")
        if not 200 <= status < 300:
            raise RunFailed(f"{self._call.label} does not let us {what} ({self._said(response)}): see to it, run again")
        try:
            document = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            raise RunFailed(f"{self._call.label} answered to {what} with no JSON object: is its base_url right?")
        return document

    def _batch(self, document: dict[str, Any]) -> ProviderBatch:
        try:
            return read_batch(document)
        except ValueError as error:
            raise RunFailed(f"{self._call.label} speaks of a batch in words we do not know ({error})") from error

    def _no_api(self, error: "NoSuchPage") -> RunFailed:
        return RunFailed(f"{self._call.label} has no batch API ({error}): take `batch` out of its entry, and run again")

    def _said(self, response: httpx.Response) -> str:
        text = blotted(response.content, self._call.api_key).decode(errors="replace")
        return f"{response.status_code} {' '.join(text.split())[:200]}"


class NoSuchPage(Exception):
    """404 or 405: the thing, or the whole API, is not there."""


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """The lines of a streamed body, whole, so that no key is cut in two by a chunk's edge."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest
