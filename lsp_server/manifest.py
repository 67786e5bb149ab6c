"""The settings in the VS Code extension's manifest, made from the schema: `python -m lsp_server.manifest`.

Knows the schema and the shape of a manifest. Knows nothing of what the settings do.
"""

from __future__ import annotations

import json
from pathlib import Path

from lsp_server.settings import SECTION, Settings

MANIFEST = Path(__file__).parents[1] / "editor-clients" / "vscode" / "package.json"
GENERATED = "Suggestions"  # the title of the group of settings that is written here

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def with_settings(manifest: dict[str, Json]) -> dict[str, Json]:
    """The manifest with the schema's settings in their group, and with all settings named that a repository may not set."""
    contributes, capabilities = _object(manifest["contributes"]), _object(manifest["capabilities"])
    groups = contributes["configuration"]
    assert isinstance(groups, list)
    own = [_object(group) for group in groups if _object(group)["title"] != GENERATED]
    generated: dict[str, Json] = {"title": GENERATED, "properties": settings_properties()}
    contributes["configuration"] = [*own, generated]
    properties = {name: _object(value) for group in [*own, generated] for name, value in _object(group["properties"]).items()}
    restricted: list[Json] = [name for name, value in properties.items() if _names_something(value)]
    _object(capabilities["untrustedWorkspaces"])["restrictedConfigurations"] = restricted
    return manifest


def settings_properties() -> dict[str, Json]:
    schema = Settings.model_json_schema()["properties"]
    return {f"{SECTION}.{name}": _property(described) for name, described in schema.items()}


def _property(described: dict[str, Json]) -> dict[str, Json]:
    """pydantic writes `X or null` as alternatives, whose limits belong to X; VS Code's settings take a list of types."""
    alternatives = [_object(one) for one in _list(described.get("anyOf", [described]))]
    types = [one["type"] for one in alternatives]
    limits = {key: value for one in alternatives for key, value in one.items() if key not in ("type", "title")}
    kept = {key: value for key, value in described.items() if key not in ("title", "anyOf")}
    return {"type": types if len(types) > 1 else types[0], **limits, **{k: v for k, v in kept.items() if k != "type"}}


def _names_something(described: dict[str, Json]) -> bool:
    """A file, a program, a server: whatever takes free text. Which of them may come from a repository is a person's decision."""
    types = described["type"] if isinstance(described["type"], list) else [described["type"]]
    return ("string" in types and "enum" not in described) or "array" in types or "scope" in described


def _object(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict)
    return value


def _list(value: Json) -> list[Json]:
    assert isinstance(value, list)
    return value


def written(manifest: dict[str, Json]) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    MANIFEST.write_text(written(with_settings(json.loads(MANIFEST.read_text("utf-8")))), "utf-8")
