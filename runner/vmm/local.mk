# runner/vmm/local.mk
