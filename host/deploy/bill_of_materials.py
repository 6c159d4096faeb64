"""Writes a CycloneDX 1.5 bill of materials of the crates that are compiled into the component and its adapters.

usage: cargo metadata --format-version 1 --filter-platform wasm32-wasip2 | bill_of_materials.py VERSION
"""

import json
import sys

ROOTS = {"plausible-mcp-component", "plausible-mcp-adapter-wasi", "plausible-mcp-adapter-spin"}


def main():
    metadata, version = json.load(sys.stdin), sys.argv[1]
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    roots = [identity for identity, package in packages.items() if package["name"] in ROOTS]
    missing = ROOTS - {packages[identity]["name"] for identity in roots}
    if missing:
        sys.exit(f"the workspace has no crate {', '.join(sorted(missing))}")
    linked = closure(roots, nodes, packages)
    crates = [identity for identity in linked if packages[identity]["source"]]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "plausible-mcp", "version": version}},
        "components": [component(packages[identity]) for identity in sorted(crates)],
        "dependencies": [
            {"ref": purl(packages[identity]), "dependsOn": sorted(purl(packages[d]) for d in run_time(nodes[identity], packages))}
            for identity in sorted(crates)
        ],
    }
    json.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")


def closure(roots, nodes, packages):
    """What is reached from the roots by dependencies that are linked."""
    seen, waiting = set(), list(roots)
    while waiting:
        identity = waiting.pop()
        if identity not in seen:
            seen.add(identity)
            waiting.extend(run_time(nodes[identity], packages))
    return seen


def run_time(node, packages):
    """Dependencies that are neither for tests nor for the build, and no procedural macros."""
    for dependency in node["deps"]:
        linked = any(kind["kind"] is None for kind in dependency["dep_kinds"])
        if linked and not is_macro(packages[dependency["pkg"]]):
            yield dependency["pkg"]


def is_macro(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def component(package):
    entry = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["license"]:
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return entry


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


if __name__ == "__main__":
    main()
