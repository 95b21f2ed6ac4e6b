"""Features of images that do not depend on the training set, one file each."""
