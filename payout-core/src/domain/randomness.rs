//! Chance, which the domain is given: it draws nothing by itself.

/// Chance.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Randomness: Send + Sync {
    /// Draws 64 random bits. Good enough for ids that must not collide; not for secrets.
    fn next_u64(&self) -> u64;
}
