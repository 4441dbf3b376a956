//! rules × records × entities → candidates, with the trace. Pure.
