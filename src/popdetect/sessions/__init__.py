"""A folder of clips to labels beside them."""
