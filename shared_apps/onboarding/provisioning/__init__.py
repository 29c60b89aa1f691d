"""Making tenants, step by step, so that a process that dies at any point leaves work and no damage.

steps → what each does · recording → what was done · engine → one tenant · applying → all of a plan,
several at a time · locks → who works on what · undo → what failed, taken back.
"""
