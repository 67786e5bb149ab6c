"""The manifest of the VS Code extension says what the settings' schema says."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from lsp_server.manifest import MANIFEST, settings_properties, with_settings, written
from lsp_server.settings import Settings

ROOT = Path(__file__).parents[2]


def test_the_manifest_is_what_the_schema_makes_it() -> None:
    text = MANIFEST.read_text("utf-8")
    assert text == written(with_settings(json.loads(text))), "run: python -m lsp_server.manifest"


def test_every_setting_has_a_default_that_the_server_takes() -> None:
    defaults = {name.removeprefix("quickfill."): described["default"] for name, described in settings_properties().items()}
    assert Settings.model_validate(defaults) == Settings()


def test_a_repository_nobody_trusts_names_no_model_no_server_and_no_program() -> None:
    restricted = json.loads(MANIFEST.read_text("utf-8"))["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    for name in ("model", "server.path", "server.url", "server.python", "server.requirement", "server.pipArguments"):
        assert f"quickfill.{name}" in restricted


def test_the_extension_has_the_version_of_the_package() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert json.loads(MANIFEST.read_text("utf-8"))["version"] == package["project"]["version"]
