"""The data symgrad is made of: frozen, validated once, without algorithms."""
