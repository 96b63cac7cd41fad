"""timm's own pretrained weights: from the local cache, else from the model hub, else a clear and quick error."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants, try_to_load_from_cache
from torch import nn

from unfreeze.backbones.building import build_backbone
from unfreeze.backbones.bundled import BUNDLED
from unfreeze.backbones.naming import pretrained_settings
from unfreeze.backbones.weights import sha256_of
from unfreeze.errors import ModelError, WeightsError
from unfreeze.records import WeightsRecord

__all__ = ["cached_file", "load_timm"]

TIMEOUT_SECONDS = 5
FILES = ("model.safetensors", "pytorch_model.bin")  # as timm looks for them


def load_timm(name: str, size: tuple[int, int]) -> tuple[nn.Module, WeightsRecord]:
    """Build a backbone with timm's pretrained weights.

    What is in the local cache is used without asking the hub. Whether the hub can be reached is found out first, in
    seconds: its client would retry for most of a minute.

    Raises:
        WeightsError: there are no such weights, or the hub is out of reach.
    """
    settings = pretrained_settings(name)
    if not (settings.get("hf_hub_id") or settings.get("url")):
        raise WeightsError(
            f"timm has no pretrained weights for {name}. Give your own with --weights FILE, "
            "or take a network that has some (`unfreeze models`)."
        )
    file = cached_file(settings)
    if file is not None and not settings.get("custom_load"):
        backbone = build_backbone(name, size, pretrained=True, file=file)
    else:
        _check_reachable(name, settings)
        try:
            backbone = build_backbone(name, size, pretrained=True)
        except ModelError:
            raise
        except (OSError, RuntimeError, HTTPException) as error:
            raise WeightsError(_out_of_reach(name, error)) from error
        file = cached_file(settings)
    return backbone, WeightsRecord(
        kind="timm",
        source=str(settings.get("hf_hub_id") or settings.get("url")),
        sha256=sha256_of(file) if file else None,
        licence=settings.get("license"),
    )


def cached_file(settings: dict[str, Any]) -> Path | None:
    """Return the file with a network's weights if an earlier download left it on this machine."""
    if repository := settings.get("hf_hub_id"):
        repository, _, revision = str(repository).partition("@")
        wanted = settings.get("hf_hub_filename")
        for file in (wanted,) if wanted else FILES:
            found = try_to_load_from_cache(repository, file, revision=revision or None)
            if isinstance(found, str):
                return Path(found)
        return None
    url = settings.get("url")
    path = Path(torch.hub.get_dir()) / "checkpoints" / str(url).rpartition("/")[2]
    return path if url and path.is_file() else None


def _check_reachable(name: str, settings: dict[str, Any]) -> None:
    """Ask the server for anything at all; an answer of any status means that it can be reached."""
    if settings.get("hf_hub_id") and constants.HF_HUB_OFFLINE:
        raise WeightsError(_out_of_reach(name, "HF_HUB_OFFLINE is set"))
    url = constants.ENDPOINT if settings.get("hf_hub_id") else str(settings["url"])
    if not url.startswith(("https://", "http://")):
        raise WeightsError(_out_of_reach(name, f'the address "{url}" is not one of the web'))
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - its scheme was checked above
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()  # noqa: S310 - the same
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, HTTPException) as error:
        raise WeightsError(_out_of_reach(name, getattr(error, "reason", error))) from error


def _out_of_reach(name: str, reason: object) -> str:
    return (
        f"The pretrained weights of {name} are not on this machine, and could not be fetched ({reason}). "
        f"Take a network whose weights are bundled ({', '.join(BUNDLED)}), "
        "give a file with --weights FILE, or try again with a connection to the model hub."
    )
