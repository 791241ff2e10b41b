"""Types, devices, random streams and numerics that every part of alsem builds on."""
