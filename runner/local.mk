# runner/local.mk
