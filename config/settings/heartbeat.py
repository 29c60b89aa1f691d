"""Where processes without an address say that they work (config/heartbeat.py)."""

from config.env import env

HEARTBEAT_DIR = env.text("HEARTBEAT_DIR", default="")
