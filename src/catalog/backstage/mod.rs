//! Backstage entity format.
