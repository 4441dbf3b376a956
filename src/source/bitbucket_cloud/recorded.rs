//! Recorded payloads: every body the client could meet is read, or refused with a reason.
