"""Procedural rooms: furnished from a seed, ray cast exactly, labelled per pixel.

`write_room` writes a room to disk in the Replica layout; `render_room` returns it as
arrays.
"""

from alsem.rooms.layout import CLASS_IDS, furnish
from alsem.rooms.render import Images
from alsem.rooms.write import render_room, write_room

__all__ = ["CLASS_IDS", "Images", "furnish", "render_room", "write_room"]
