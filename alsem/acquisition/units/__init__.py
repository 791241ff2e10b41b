"""Units: what one query covers, and how rays are pooled into units."""
