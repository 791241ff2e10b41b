"""The learned query policy: features, head, loss, targets, pretraining, weights."""
