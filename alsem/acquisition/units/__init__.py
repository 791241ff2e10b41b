"""Units: what one query covers."""
