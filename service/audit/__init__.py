"""For auditors: what happened, whether it is whole, and whether it can be made again."""
