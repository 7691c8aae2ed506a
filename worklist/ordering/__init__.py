"""The order of the list: tiers, ageing, places, plain strategies and the view that stays still."""
