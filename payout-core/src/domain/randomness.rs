//! The source of randomness, which is injected: the domain has none of its own.

/// A source of random bits.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Randomness: Send + Sync {
    /// Draws 64 random bits. They are good enough for ids that must not collide, but not for secrets.
    fn next_u64(&self) -> u64;
}
