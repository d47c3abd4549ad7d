"""Weights that run code, claim or unpack to more than there is."""

from __future__ import annotations

import pickle
import struct
import zipfile

import numpy as np
import torch
from survival.meeting import Ground, Trap


def pickled_checkpoint(ground: Ground) -> list[str]:
    path = ground.folder / "evil.safetensors"
    path.write_bytes(pickle.dumps(Trap(ground.canary)))
    return ["export", str(ground.world.recipe), "--checkpoint", str(path)]


def torch_checkpoint(ground: Ground) -> list[str]:
    path = ground.folder / "evil.safetensors"
    torch.save({"state_dict": Trap(ground.canary)}, path)
    return ["export", str(ground.world.recipe), "--checkpoint", str(path)]


def pth(ground: Ground) -> list[str]:
    path = ground.folder / "evil.pth"
    torch.save({"state_dict": {"a.weight": torch.zeros(1), "b": Trap(ground.canary)}}, path)
    return ["import", str(path), "--recipe", str(ground.world.recipe)]


def old_pth(ground: Ground) -> list[str]:
    path = ground.folder / "evil.pth"
    path.write_bytes(pickle.dumps(Trap(ground.canary)))
    return ["import", str(path), "--recipe", str(ground.world.recipe)]


def npz(ground: Ground) -> list[str]:
    path = ground.folder / "evil.npz"
    objects = np.array([Trap(ground.canary)], dtype=object)
    np.savez(path, **{"000.weight": objects}, allow_pickle=True)
    path.with_suffix(".json").write_text('{"ops": []}')
    return ["import", str(path), "--recipe", str(ground.world.recipe)]


def npz_bomb(ground: Ground) -> list[str]:
    path = ground.folder / "bomb.npz"
    header = b"\x93NUMPY\x01\x00"
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296,), }"
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("000.weight.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(header + struct.pack("<H", len(text)) + text)
        for _ in range(4096):
            stream.write(bytes(2**20))
    path.with_suffix(".json").write_text('{"ops": []}')
    return ["import", str(path), "--recipe", str(ground.world.recipe)]


def npz_claim(ground: Ground) -> list[str]:
    path = ground.folder / "claim.npz"
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846976,), }"
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64)
        archive.writestr("000.weight.npy", data)
    path.with_suffix(".json").write_text('{"ops": []}')
    return ["import", str(path), "--recipe", str(ground.world.recipe)]


def header_length(ground: Ground) -> list[str]:
    path = ground.folder / "long.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    return ["export", str(ground.world.recipe), "--checkpoint", str(path)]
