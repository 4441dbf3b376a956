//! Recommendations → steps: what is written where, and what is held back and why. Pure.

pub mod step;

pub use step::{Change, Edit, FieldChange, FieldPath, Held, NewEntity, Plan, Step, Work};
