"""The declaration of a shop's feeds: the settings of a sources file, and how it is read and checked."""
