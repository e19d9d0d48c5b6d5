# images/local.mk
