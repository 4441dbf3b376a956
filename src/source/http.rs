//! The client all REST adapters share.
