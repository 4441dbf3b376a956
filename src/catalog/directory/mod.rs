//! A directory of YAML files.
