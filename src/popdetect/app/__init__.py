"""A page on this computer alone, to hear, see and correct what was labelled: labelled · queue · answers · server."""
