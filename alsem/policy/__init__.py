"""The learned query policy: features, head, loss, targets, weight files."""
