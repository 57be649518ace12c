//! Holds the seccomp compiler of `runt` against libseccomp. All of it is in `tests/`, so that only
//! running the tests needs libseccomp.
