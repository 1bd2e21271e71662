"""Studies with a known effect, to practise on and to test with."""
