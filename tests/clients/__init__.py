"""Tests of the editors' clients, in the editors themselves."""
