//! Correlation and recommendation, over whole worlds: records, entities and rules in, verdicts out.

mod operators;
mod properties;
mod rules_file;
mod truth;
mod world;
mod worlds;
