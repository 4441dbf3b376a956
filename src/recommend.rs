//! Candidates × links × behaviour → register, merge, conflict or none, and why. Pure.
