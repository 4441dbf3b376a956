//! Bitbucket Cloud, REST 2.0.
