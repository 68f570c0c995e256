"""What alignment did to toxicity, regard and hurtfulness. Knows no screen and no training."""
