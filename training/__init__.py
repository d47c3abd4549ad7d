"""Networks, losses, augmentation, the training loop, recipes and shipped checkpoints."""
