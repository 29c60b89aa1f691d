"""Schemas made before anybody needs them, and given to new tenants by renaming (docs/fleet.md, ADR 0011).

moulds → what a spare must be like · filling → making and dropping them · claiming → giving one away ·
stamps → whether somebody changed one · pool → what there is.
"""
