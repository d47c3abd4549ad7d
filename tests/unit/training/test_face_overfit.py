"""The third task is learnt: a handful of faces, their boxes and landmarks, by heart."""

from __future__ import annotations

import numpy as np
import torch

from hexdet.datasets.scenes import Faces
from hexdet.evaluation.average_precision import score_detections
from hexdet.evaluation.landmark_error import landmark_error
from hexdet.recipe import AugmentSection, load_recipe
from hexdet.runtime.detector import Detector
from hexdet.training.backend import TorchBackend
from hexdet.training.checkpoint import network_of
from hexdet.training.contract import contract_of
from hexdet.training.loading import TrainingSamples
from hexdet.training.objective import Objective

NO_CHANGE = dict.fromkeys(("photometric", "grey", "expand", "crop", "flip"), 0.0)
IMAGES, STEPS, PEAK = 4, 130, 4e-3


def test_a_handful_of_faces_is_learnt_by_heart() -> None:
    recipe = load_recipe("faces")
    contract = contract_of(recipe)
    section = recipe.training.model_copy(update={"augment": AugmentSection(**NO_CHANGE)})
    dataset = Faces(split="train", count=IMAGES)
    samples = [TrainingSamples(dataset, contract, section)[(0, i)] for i in range(IMAGES)]
    pixels = torch.from_numpy(np.stack([s.pixels for s in samples]))
    labels = torch.from_numpy(np.stack([s.labels for s in samples]))
    targets = torch.from_numpy(np.stack([s.deltas for s in samples]))
    images = (pixels.permute(0, 3, 1, 2).float() - contract.input.mean) / contract.input.std

    torch.manual_seed(0)
    network = network_of(recipe).train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.3  # so few steps: the running means must keep up
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=STEPS)
    objective = Objective(contract, section)
    losses = []
    for _ in range(STEPS):
        loss = objective(network(images), labels, targets)
        optimizer.zero_grad()
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), section.gradient_clip)
        optimizer.step()
        schedule.step()
        assert loss.landmark is not None
        losses.append(float(loss.landmark.detach()))

    detector = Detector(contract, TorchBackend(network, contract))
    records = [dataset[i] for i in range(IMAGES)]
    truths = [record.annotation for record in records]
    found = [detector(record.image) for record in records]
    assert losses[-1] < 0.1 * losses[0]
    assert score_detections(truths, found, contract.classes).per_class_ap50["face"] > 0.9
    error = landmark_error(truths, found, np.full(2, 0.3, np.float32))
    assert error is not None
    assert error.box < 0.05, error
