"""The official Python client.   usage: python_client.py http|stdio modern|auto|legacy"""

import asyncio
import json
import os
import sys
import warnings
from pathlib import Path

import httpx2
import jsonschema
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

EXPECTED = json.loads((Path(__file__).parent / "expectations.json").read_text())
KEY = os.environ["INTEROP_KEY"]


async def main(transport: str, era: str) -> None:
    mode = EXPECTED["modernVersion"] if era == "modern" else era
    connect = {"http": over_http, "stdio": over_stdio}[transport]
    async with connect(KEY, mode) as client:
        assert (client.protocol_version == EXPECTED["modernVersion"]) == (era != "legacy"), client.protocol_version
        await server_answers_as_promised(client, era)
    async with connect(EXPECTED["wrongKey"], mode) as stranger:
        await wrong_key_is_explained(stranger)
    if transport == "http":
        await connecting_is_unauthorized(mode)


def over_http(key: str | None, mode: str) -> Client:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    http = httpx2.AsyncClient(headers=headers, timeout=30)
    return Client(streamable_http_client(os.environ["INTEROP_ENDPOINT"], http_client=http), mode=mode)


def over_stdio(key: str, mode: str) -> Client:
    environment = {
        "PLAUSIBLE_API_KEY": key,
        "PLAUSIBLE_BASE_URL": os.environ["INTEROP_PLAUSIBLE"],
        "PLAUSIBLE_DEFAULT_SITE_ID": "shop.example",
    }
    server = StdioServerParameters(command=os.environ["INTEROP_BINARY"], args=["stdio"], env=environment)
    return Client(server, mode=mode)


async def server_answers_as_promised(client: Client, era: str) -> None:
    # A pinned version is adopted without asking, so only the other modes have met the server by now.
    if era != "modern":
        assert client.server_info.name == EXPECTED["serverName"]
        assert client.instructions
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == EXPECTED["tools"], list(tools)
    for call in EXPECTED["calls"]:
        result = await client.call_tool(call["name"], call["arguments"])
        assert not result.is_error, text(result)
        assert text(result)
        schema = tools[call["name"]].output_schema
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(result.structured_content, schema, jsonschema.Draft202012Validator)
    for call in EXPECTED["refusedCalls"]:
        result = await client.call_tool(call["name"], call["arguments"])
        assert result.is_error and text(result), call
    await unknown_tool_is_invalid_params(client)
    if era == "legacy":
        with warnings.catch_warnings(action="ignore"):
            await client.send_ping()


async def unknown_tool_is_invalid_params(client: Client) -> None:
    try:
        result = await client.call_tool(EXPECTED["unknownTool"], {})
    except MCPError as error:
        assert error.code == EXPECTED["invalidParams"], error
    else:
        raise AssertionError(f"an unknown tool was answered: {result}")


async def wrong_key_is_explained(client: Client) -> None:
    call = EXPECTED["calls"][0]
    result = await client.call_tool(call["name"], call["arguments"])
    assert result.is_error and "key" in text(result).lower(), text(result)


async def connecting_is_unauthorized(mode: str) -> None:
    try:
        async with over_http(None, mode) as client:
            await client.list_tools()
    except* Exception as group:
        # This SDK turns a status without a JSON-RPC body into an error that does not name it.
        assert group.exceptions
    else:
        raise AssertionError("a client without a key was served")


def text(result) -> str:
    return "\n".join(getattr(block, "text", "") for block in result.content)


asyncio.run(main(*sys.argv[1:]))
