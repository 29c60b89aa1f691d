"""Streaming responses go on after the middleware has left the context that they were made in."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextvars import Context, copy_context

from django.http import FileResponse, StreamingHttpResponse


def keep_context(response: StreamingHttpResponse) -> None:
    """Run each step of the body in a copy of the present context.

    Files have none: they are sent without a statement, and a wrapper would take sendfile from them.
    """
    if isinstance(response, FileResponse):
        return
    context, content = copy_context(), response.streaming_content
    if isinstance(content, AsyncIterator):
        response.streaming_content = _async_steps(content, context)
    else:
        response.streaming_content = _steps(iter(content), context)


def _steps(content: Iterator[bytes], context: Context) -> Iterator[bytes]:
    end = object()
    while (part := context.run(next, content, end)) is not end:
        yield part  # type: ignore[misc]  # all but `end` are parts


async def _async_steps(content: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
    async def step() -> bytes:
        return await anext(content)

    while True:
        try:
            yield await asyncio.create_task(step(), context=context)
        except StopAsyncIteration:
            return
