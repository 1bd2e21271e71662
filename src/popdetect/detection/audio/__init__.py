"""Files and arrays to checked samples: decoding, headers, truncation."""
