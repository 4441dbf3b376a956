//! catalog-sync.

fn main() {}
