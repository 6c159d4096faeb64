"""FastMCP's client signs in: it opens a browser (BROWSER) and waits for the answer at a port of its own."""

import asyncio
import json
import os
from pathlib import Path

from fastmcp import Client

EXPECTED = json.loads((Path(__file__).parent.parent / "expectations.json").read_text())


async def main() -> None:
    async with Client(os.environ["INTEROP_SIGN_IN"], auth="oauth") as client:
        assert [tool.name for tool in await client.list_tools()] == EXPECTED["tools"]
        call = EXPECTED["calls"][0]
        result = await client.call_tool(call["name"], call["arguments"])
        assert result.structured_content, result


asyncio.run(main())
