# images/local.mk - the recipes that come with podflare
imagesdir = $(pkgdatadir)/images
dist_images_DATA = images/default.yaml
