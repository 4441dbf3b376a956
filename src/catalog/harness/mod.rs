//! Harness IDP entity format.
