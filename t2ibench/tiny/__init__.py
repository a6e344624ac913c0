"""The bundled models: the scenes they learn from, the recipe that trains them, their card, the loopback images API."""
