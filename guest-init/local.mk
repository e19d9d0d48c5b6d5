# guest-init/local.mk
