"""The order of the list: tiers, ageing, places and the view that stays still."""
