# machine/local.mk
