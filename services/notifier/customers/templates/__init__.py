"""What customers are told, one file per language; an operator's directory can replace any of them."""
